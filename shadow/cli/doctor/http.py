"""One request that asks, bounded in time and size; no proxy, no redirect, no cookie."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Literal
from urllib.parse import urlsplit

TIMEOUT_S: Final = 5.0
LARGEST: Final = 20_000_000

How = Literal["refused", "silent", "broken"]


class NoAnswerError(Exception):
    """``how``: nobody listens, whoever listens says nothing, or what he says is no HTTP."""

    def __init__(self, how: How, why: str) -> None:
        super().__init__(why)
        self.how: How = how


@dataclass(frozen=True, slots=True)
class Answer:
    """``at_s``: Unix time half way; ``date``: the server's own header."""

    status: int
    body: bytes
    took_s: float
    at_s: float
    date: str | None


def get(url: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> Answer:
    """What ``url`` answers. Raises :class:`NoAnswerError`, :class:`ValueError` for an address without sense."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    begun, begun_s = time.monotonic(), time.time()
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers or {})
        response = connection.getresponse()
        body = response.read(LARGEST)
    except TimeoutError as error:
        raise NoAnswerError("silent", str(error)) from None
    except (ConnectionRefusedError, socket.gaierror) as error:
        raise NoAnswerError("refused", error.strerror or str(error)) from None
    except (OSError, HTTPException) as error:
        raise NoAnswerError("broken", f"{type(error).__name__}: {error}"[:200]) from None
    finally:
        connection.close()
    took_s = time.monotonic() - begun
    return Answer(response.status, body, took_s, begun_s + took_s / 2, response.getheader("Date"))
