"""The console's web server: GET and HEAD, on the hosts it is known by; blocking work in a bounded number of threads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from shadow.addresses import HEALTH, HOME, PAIR, PAIRS, SERVED
from shadow.broker import BrokerError
from shadow.comparator.evaluator import Evaluator
from shadow.config import Config
from shadow.console import asked, frame, home, reading
from shadow.console.asked import RefusedError
from shadow.console.pair import pair as pair_page
from shadow.console.pairs import pairs as pairs_page
from shadow.explain import UnknownPairError, explain
from shadow.ledger import LedgerError, Reader

AT_ONCE: Final = {"ledger": 2, "broker": 2}
"""Pages that are made at one time: lists, which read the ledger, and pairs, which read the broker too."""

WAITING: Final = 16
"""Pages of a kind that are made or wait; more are refused, with 503."""

LONGEST_LINE: Final = 8_190
HEADERS: Final = {
    "Content-Security-Policy": frame.POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "shadow",
}
AWAY: Final = (
    "The list of arms and all verdicts rest on it too. Is its database up, and the way to it open? "
    "`shadow doctor` looks at every part and says what to do."
)
BROKER_AWAY: Final = "Is it up, and the way to it open? `shadow doctor` looks at every part and says what to do."
BUSY: Final = "Others read at this moment, and each reads a bounded part of ledger and broker. Try again in a moment."

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger()


class BusyError(Exception):
    """As many pages as may be wait already."""


class Workers:
    """A few threads for one kind of page, and a bounded queue before them."""

    def __init__(self, kind: str) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE[kind], thread_name_prefix=f"console-{kind}")
        self._pending = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` gives. Raises :class:`BusyError` if too many wait. Who hangs up leaves his work to its end."""
        if self._pending >= WAITING:
            raise BusyError
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._pending -= 1
        if not future.cancelled():
            future.exception()  # looked at: nobody may be there any more to take it

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Server:
    """The handlers. ``evaluator``: what judges today, and its revision."""

    def __init__(self, config: Config, evaluator: tuple[Evaluator, str]) -> None:
        self._config = config
        self._evaluator = evaluator
        self._hosts = config.console.answered_hosts
        self._slices = frozenset(name for slicer in evaluator[0].slicers.values() for name in slicer.names)
        self._owners = {arm.name: arm.owner for arm in config.arms}
        self._ledger, self._broker = Workers("ledger"), Workers("broker")

    def app(self) -> web.Application:
        """The application with its routes: those of :data:`shadow.addresses.SERVED`."""
        app = web.Application(middlewares=[self._guarded], client_max_size=0)
        for path, handler in {HOME: self.home, PAIRS: self.pairs, PAIR: self.pair, HEALTH: self.healthz}.items():
            app.router.add_get(path, handler)
        return app

    async def healthz(self, _: web.Request) -> web.Response:
        """Answers as long as this process works, whatever else is away."""
        return web.Response(text="ok\n")

    async def home(self, request: web.Request) -> web.Response:
        """Who is evaluated."""
        asked.parameters(HOME, request.query.items())
        latest = await self._ledger.run(partial(reading.latest, self._config))
        return _html(home.home(self._config, self._slices, latest))

    async def pairs(self, request: web.Request) -> web.Response:
        """An arm's worst pairs."""
        wanted = asked.a_list(self._config, self._slices, request.query.items())

        def made() -> str:
            found = reading.worst(self._config, wanted, self._evaluator[1])
            return pairs_page(self._config, self._slices, wanted, found)

        return _html(await self._ledger.run(made))

    async def pair(self, request: web.Request) -> web.Response:
        """One pair; 503 with what the ledger knows where the broker does not answer."""
        wanted = asked.a_pair(request.query.items())

        def made() -> tuple[HTTPStatus, str]:
            with Reader(self._config.ledger.url) as ledger:
                found = explain(
                    self._config, ledger, wanted.turn, wanted.arm, revision=wanted.revision, evaluator=self._evaluator
                )
            status = HTTPStatus.SERVICE_UNAVAILABLE if found["broker_away"] else HTTPStatus.OK
            return status, pair_page(wanted, found, self._owners.get(wanted.arm))

        status, text = await self._broker.run(made)
        return _html(text, status)

    def close(self) -> None:
        """Begin no more work."""
        self._ledger.close()
        self._broker.close()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses foreign hosts; whatever goes wrong becomes a page; every answer has the headers."""
        try:
            if request.path != HEALTH:
                self._known_host(request.headers.get("Host", ""))
            response = await handler(request)
        except RefusedError as error:
            response = _html(frame.refusal(error), error.status)
        except UnknownPairError as error:
            response = _html(frame.refusal(RefusedError(HTTPStatus.NOT_FOUND, str(error))), HTTPStatus.NOT_FOUND)
        except web.HTTPException as error:
            there = SERVED if error.status == HTTPStatus.NOT_FOUND else ("GET", "HEAD")
            refused = RefusedError(error.status, error.reason, there)
            response = _html(frame.refusal(refused), refused.status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except LedgerError as error:
            response = _html(frame.away(str(error), AWAY), HTTPStatus.SERVICE_UNAVAILABLE)
        except BrokerError as error:
            response = _html(frame.away(str(error), BROKER_AWAY), HTTPStatus.SERVICE_UNAVAILABLE)
        except BusyError:
            response = _html(frame.away("Too many pages are asked for at once", BUSY), HTTPStatus.SERVICE_UNAVAILABLE)
            response.headers["Retry-After"] = "2"
        except Exception as error:  # noqa: BLE001 (a page instead of a traceback; the log has the rest)
            log.error("page_broken", path=request.path, error=f"{type(error).__name__}: {error}"[:500])  # noqa: TRY400
            said = frame.away("This page cannot be made: a fault of Shadow's own", "The console's log has the rest.")
            response = _html(said, HTTPStatus.INTERNAL_SERVER_ERROR)
        response.headers.update(HEADERS)
        return response

    def _known_host(self, named: str) -> None:
        """Another site's name that leads here would let that site's script read these pages (DNS rebinding)."""
        try:
            host = urlsplit(f"//{named}").hostname
        except ValueError:
            host = None
        if host is None or host not in self._hosts:
            what = "this console does not answer to that host name: add it to console.hosts, or set console.public_url"
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, what)


def _html(text: str, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


async def start(server: Server, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve; the runner and the port (0 takes a free one). Raises :class:`OSError` if it is taken."""
    runner = web.AppRunner(
        server.app(), access_log=None, shutdown_timeout=1.0, keepalive_timeout=15.0, max_line_size=LONGEST_LINE
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=64).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])
