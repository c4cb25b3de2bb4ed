"""Serves ``/metrics``, ``/healthz`` and ``/readyz`` from a thread, on the address that it is given and no other."""

from __future__ import annotations

import gzip
import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from shadow.metrics.exporter import Metrics
from shadow.metrics.exposition import OPENMETRICS, TEXT

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


def serve(host: str, port: int, metrics: Metrics, *, healthy: Reasons, ready: Reasons) -> None:
    """Serve until the process ends. Raises :class:`OSError` if the port is taken.

    ``/healthz`` and ``/readyz`` answer 200 ``ok``, or 503 with one line for each reason why not.
    """
    checks = {"/healthz": healthy, "/readyz": ready}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return _page(metrics, environ, start_response)
        if path not in checks:
            start_response("404 Not Found", list(PLAIN))
            return [b"/metrics, /healthz, /readyz\n"]
        reasons = checks[path]()
        start_response("503 Service Unavailable" if reasons else "200 OK", list(PLAIN))
        return ["".join(f"{reason}\n" for reason in reasons or ["ok"]).encode()]

    server = make_server(host, port, app, _Server, handler_class=_Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _page(metrics: Metrics, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The page in the format that was asked for, packed if that may be: quickly, for to pack it small takes longest."""
    modern = "application/openmetrics-text" in environ.get("HTTP_ACCEPT", "")
    headers = [("Content-Type", OPENMETRICS if modern else TEXT), ("Cache-Control", "no-store")]
    body = metrics.page(modern=modern)
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        headers.append(("Content-Encoding", "gzip"))
        body = gzip.compress(body, compresslevel=1, mtime=0)
    start_response("200 OK", headers)
    return [body]
