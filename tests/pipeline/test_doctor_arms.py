"""``shadow doctor`` and the arms: keys, endpoints that refuse, hang or are gone, and no secret in what is said."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fixtures.doctor import black_hole, config_file, examined
from tests.fixtures.system import arm


class _Choosy(BaseHTTPRequestHandler):
    """A model's server that knows one key, and that must not be sent a turn."""

    asked: list[str] = []  # noqa: RUF012 (the test reads it)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        known = "right" in {self.headers["x-api-key"], (self.headers["Authorization"] or "").removeprefix("Bearer ")}
        self.send_response(200 if known else 401)
        self.end_headers()

    def do_OPTIONS(self) -> None:
        self.asked.append(self.path)
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        self.asked.append("a turn")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def model_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Choosy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def candidate(name: str, port: int, **adapter: Any) -> dict[str, Any]:
    address = f"http://someone:hidden@127.0.0.1:{port}/v1"
    return arm(name) | {"adapter": {"type": "openai", "base_url": address, "model": name, **adapter}}


def test_each_fault_of_an_arm_has_its_line_and_no_key_is_shown(tmp_path: Path, nowhere: str) -> None:
    """A missing key by its variable's name, a wrong one, a dead endpoint, one that accepts and never answers."""
    with black_hole() as silent, model_server() as server:
        candidates = [
            candidate("keyless", server, api_key_env="NO_SUCH_KEY"),
            candidate("refused", server, api_key_env="WRONG_KEY"),
            candidate("right", server, api_key_env="RIGHT_KEY"),
            candidate("dead", int(nowhere.rpartition(":")[2])),
            candidate("silent", silent),
            candidate("claude", server, type="anthropic", api_key_env="RIGHT_KEY"),
            arm("own") | {"adapter": {"type": "http", "url": f"http://127.0.0.1:{server}/answer"}},
            arm("broken", "tests.fixtures.models:no_such_function"),
        ]
        line = config_file(tmp_path, nowhere, candidates=candidates)
        begun = time.monotonic()
        report = examined(line, RIGHT_KEY="right", WRONG_KEY="s3cret-value")
        assert time.monotonic() - begun < 90
    report.says("arm keyless", "fail", "$NO_SUCH_KEY is not set", "`export NO_SUCH_KEY=...`")
    report.says("arm refused", "fail", "answered 401", "$WRONG_KEY")
    report.says("arm right", "ok", "answered 200", "")
    report.says("arm claude", "ok", "answered 200", "")
    report.says("arm own", "ok", "answered 204", "")
    report.says("arm dead", "fail", "nothing listens", "adapter.base_url")
    report.says("arm silent", "fail", "accepts and does not answer", "curl")
    report.says("arm broken", "fail", "no_such_function", "")
    said = json.dumps(report.findings)
    assert not [secret for secret in ("s3cret", "hidden", '"right"') if secret in said.replace('"arm right"', "")]
    assert set(_Choosy.asked) == {"/v1/models", "/v1/v1/models", "/answer"}
