"""Draws the dashboards with Grafana's own components in a real browser, where there is no Grafana to be had.

``page/`` is a static page around @grafana/ui and @grafana/data; :mod:`~dashboards.render.site` serves it on loopback
beside Prometheus' answers, :mod:`~dashboards.render.browser` opens it in Chromium and says what is on it,
:mod:`~dashboards.render.traffic` runs the demo's models and customers in front of a Prometheus of its own.
Nothing else needs any of it.
"""
