"""One turn's calls: attempts, pace, Retry-After; whatever happens, it ends in a reply's fields."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import pytest

from shadow.adapters import Answer, ProviderError, RateLimited
from shadow.asking import Asker
from shadow.config import Arm
from shadow.events import GenAI, Message, Turn
from shadow.metrics.exporter import Metrics
from shadow.mirror.breaker import Breaker
from tests.fixtures.events import turn

ANSWER = Answer(message=Message(role="assistant", content="yes"), gen_ai=GenAI(input_tokens=1_000, output_tokens=100))


class Scripted:
    """An adapter that raises or answers what it is told, in turn."""

    def __init__(self, *script: Answer | Exception) -> None:
        self.script = list(script)

    async def answer(self, turn: Turn) -> Answer:  # noqa: ARG002 (the protocol)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step

    async def close(self) -> None:
        return


def asker(*script: Answer | Exception, **limits: float) -> Asker:
    arm = Arm.model_validate(
        {
            "name": "better",
            "owner": "o",
            "adapter": {"type": "callable", "target": "a:b"},
            "price": {"input_usd_per_million": 1.0, "output_usd_per_million": 10.0},
            "limits": {"backoff_s": 0.01, **limits},
        }
    )
    return Asker(arm, Scripted(*script), Breaker(failures=5, probe_s=1), Metrics("test"))


async def test_an_answer_carries_its_cost_and_attempts():
    fields = await asker(ProviderError("500", retryable=True), ANSWER).ask(turn())
    assert fields["message"] == ANSWER.message
    assert fields["attempts"] == 2
    assert fields["cost_usd"] == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("error", "kind", "attempts"),
    [
        (ProviderError("400", retryable=False), "provider_error", 1),
        (ProviderError("500", retryable=True), "provider_error", 3),
        (RateLimited("429"), "rate_limited", 3),
        (ZeroDivisionError("outsider"), "provider_error", 1),
    ],
)
async def test_a_call_that_fails_ends_as_a_failure(error, kind, attempts):
    fields = await asker(error).ask(turn())
    assert (fields["failure"].kind, fields["attempts"]) == (kind, attempts)


async def test_a_retry_after_beyond_the_deadline_gives_up_and_holds_later_turns_back_as_shed():
    slow_down = asker(RateLimited("429", retry_after_s=3_600), deadline_s=60)
    first, later = await slow_down.ask(turn()), await slow_down.ask(turn("c1:1"))
    assert first["failure"].kind == "rate_limited"
    assert later == {"shed": "too_old", "attempts": 0}


class Skips(selectors.DefaultSelector):
    """Waits for nothing: the loop's clock is put forward instead, so that no pause of the machine counts."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


def skipping() -> asyncio.SelectorEventLoop:
    clock = Skips()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    return loop


def test_our_own_pace_sheds_what_it_cannot_serve_and_starves_nobody():
    """20 turns at a pace of 10/s with a deadline of half a second: about 5 pass, now and later."""
    paced = asker(ANSWER, requests_per_s=10, deadline_s=0.5, timeout_s=0.5)

    async def twenty() -> list[dict[str, Any]]:
        ended = await asyncio.gather(*(paced.ask(turn(f"c1:{number}")) for number in range(20)))
        await asyncio.sleep(0.5)
        return ended

    with asyncio.Runner(loop_factory=skipping) as runner:
        for _ in range(2):
            ended = runner.run(twenty())
            assert 5 <= sum("message" in fields for fields in ended) <= 6
            assert all(fields == {"shed": "too_old", "attempts": 0} for fields in ended if "message" not in fields)
