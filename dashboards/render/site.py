"""The page on a free port of loopback: its files, the dashboards, and Prometheus behind it under the same address."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from dashboards.render.programs import PAGE

TIMEOUT_S: Final = 120.0


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, prometheus: str, boards: Mapping[str, str], **more: Any) -> None:
        self.prometheus, self.boards = prometheus, boards
        super().__init__(*args, **more)

    def do_GET(self) -> None:
        """A query, a dashboard, or a file of the page."""
        if self.path.startswith("/api/v1/"):
            self._answer(*_asked(self.prometheus + self.path))
        elif self.path.startswith("/boards/"):
            board = self.boards.get(Path(self.path).stem)
            self._answer(HTTPStatus.OK if board else HTTPStatus.NOT_FOUND, (board or "{}").encode())
        else:
            super().do_GET()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing: what is wrong stands on the page."""


def _asked(url: str) -> tuple[int, bytes]:
    """Prometheus' answer, also where it is an error with words; words of our own where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:  # noqa: S310 (the address is the caller's)
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError as error:
        said = {"status": "error", "error": f"Prometheus does not answer: {error}"}
        return HTTPStatus.BAD_GATEWAY, json.dumps(said).encode()


@contextmanager
def serving(prometheus: str, boards: Mapping[str, str]) -> Iterator[str]:
    """The site's address while the block runs. ``prometheus``: ``http://host:port``; ``boards``: JSON by uid."""
    handler = partial(_Handler, prometheus=prometheus.rstrip("/"), boards=boards, directory=str(PAGE / "dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
