"""Takes what Alertmanager posts, on the loopback: who got it, when, and what it said."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Delivery:
    """One alert of one POST: its receiver by the URL's path, when it came (Unix seconds), and Alertmanager's words."""

    receiver: str
    at_s: float
    alert: dict[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        """The alert's labels."""
        return dict(self.alert["labels"])

    def about(self, alertname: str, **labels: str) -> bool:
        """Whether it is this alert with these labels."""
        return {"alertname": alertname, **labels}.items() <= self.labels.items()


class Inbox:
    """Everything that came, in its order."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/{{receiver}}"
        self._lock = threading.Lock()
        self._deliveries: list[Delivery] = []

    def take(self, receiver: str, body: dict[str, Any]) -> None:
        """One POST."""
        now_s = time.time()
        with self._lock:
            self._deliveries += [Delivery(receiver, now_s, alert) for alert in body["alerts"]]

    def deliveries(self, status: str = "firing") -> list[Delivery]:
        """All that came until now with this status, ``firing`` or ``resolved``."""
        with self._lock:
            return [each for each in self._deliveries if each.alert["status"] == status]


@contextmanager
def inbox() -> Iterator[Inbox]:
    """A receiver on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.take(self.path.strip("/"), json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Inbox(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
