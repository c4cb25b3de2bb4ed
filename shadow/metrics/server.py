"""Serves ``/metrics``, ``/healthz`` and ``/readyz`` from a thread, on the address that it is given and no other."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

Reasons = Callable[[], list[str]]
"""Why not; empty: it is so."""

PLAIN: Final = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
TIMEOUT_S: Final = 10.0


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = TIMEOUT_S  # a client that connects and says nothing holds no thread for ever

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Log nothing: scrapes and probes come every few seconds."""


def serve(host: str, port: int, registry: CollectorRegistry, *, healthy: Reasons, ready: Reasons) -> None:
    """Serve until the process ends. Raises :class:`OSError` if the port is taken.

    ``/healthz`` and ``/readyz`` answer 200 ``ok``, or 503 with one line for each reason why not.
    """
    metrics = make_wsgi_app(registry)
    checks = {"/healthz": healthy, "/readyz": ready}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        if path not in checks:
            start_response("404 Not Found", list(PLAIN))
            return [b"/metrics, /healthz, /readyz\n"]
        reasons = checks[path]()
        start_response("503 Service Unavailable" if reasons else "200 OK", list(PLAIN))
        return ["".join(f"{reason}\n" for reason in reasons or ["ok"]).encode()]

    server = make_server(host, port, app, _Server, handler_class=_Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
