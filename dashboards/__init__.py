"""Prometheus rules, Alertmanager routes and Grafana dashboards, as Python that writes ``dashboards/generated/``.

:mod:`~dashboards.limits` holds every number that a rule and a panel share; :mod:`~dashboards.rules` and
:mod:`~dashboards.alerts` write rule files, :mod:`~dashboards.routes` Alertmanager's configuration, the modules that are
named after a dashboard write that one. :mod:`~dashboards.check` proves them against the metric catalogue,
:mod:`~dashboards.links` where links lead, and ``python -m dashboards.build`` writes it all.
"""
