"""What Shadow exports to Prometheus: the catalogue is the one table, the exporter registers and serves it."""
