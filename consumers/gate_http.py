"""The verdict over HTTP, for what rolls candidates out.

``GET /gate/CANDIDATE`` gives the report with status 200, whatever the verdict: an Argo Rollouts web metric reads
``verdict`` from it. ``POST`` of the same (a Flagger webhook) is 200 only on PROMOTE, else 409. 404: no such candidate;
503: the gate has not caught up with the ledger, or cannot read it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast

from shadow.config import ConfigError
from shadow.gate.report import canonical

PREFIX: Final = "/gate/"
LARGEST_BODY: Final = 100_000
"""Bytes of a webhook's body that are read, and thrown away."""


class Board:
    """The newest reports; empty until the gate has caught up."""

    def __init__(self, candidates: Collection[str]) -> None:
        self._candidates = candidates
        self._lock = threading.Lock()
        self._reports: dict[str, dict[str, Any]] = {}
        self._why = "the gate has not caught up with the ledger"

    def show(self, candidate: str, report: dict[str, Any]) -> None:
        """From now on this is the report."""
        with self._lock:
            self._reports[candidate] = report

    def clear(self, why: str) -> None:
        """Nothing can be said: what was known is old."""
        with self._lock:
            self._reports.clear()
            self._why = why

    def answer(self, path: str, *, webhook: bool) -> tuple[HTTPStatus, dict[str, Any]]:
        """Status and body for a request."""
        name = path.partition("?")[0].removeprefix(PREFIX)
        if not path.startswith(PREFIX) or name not in self._candidates:
            return HTTPStatus.NOT_FOUND, {
                "error": f"no such candidate; there are: {', '.join(sorted(self._candidates))}"
            }
        with self._lock:
            report = self._reports.get(name)
            if report is None:
                return HTTPStatus.SERVICE_UNAVAILABLE, {"error": self._why, "verdict": "HOLD"}
        refused = webhook and report["verdict"] != "PROMOTE"
        return (HTTPStatus.CONFLICT if refused else HTTPStatus.OK), report


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(webhook=False)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length) if length.isdecimal() else 0, LARGEST_BODY))
        self._answer(webhook=True)

    def _answer(self, *, webhook: bool) -> None:
        status, found = cast("_Server", self.server).board.answer(self.path, webhook=webhook)
        body = canonical(found)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Nothing: a probe a second is no news."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    board: Board


@contextmanager
def serve(board: Board, host: str, port: int) -> Iterator[int]:
    """Serve ``board`` from a thread; gives the port. Raises :class:`ConfigError` if it is taken."""
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        what = f"/gate: port {port} on {host} cannot be used ({error.strerror})"
        raise ConfigError([f"{what}: stop what holds it, or set metrics.gate_port"]) from None
    server.board = board
    thread = threading.Thread(target=server.serve_forever, name="gate-http", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
