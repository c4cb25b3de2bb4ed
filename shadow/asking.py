"""Asks an arm once per turn: attempts, time-outs, Retry-After, pace. Whatever happens, it ends in a reply's fields."""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import Any, Final

from shadow.adapters import Adapter, AdapterError, Answer
from shadow.config import Arm
from shadow.events import FAILURE_KINDS, Failure, GenAI, Message, Turn
from shadow.metrics.exporter import Metrics
from shadow.metrics.labels import OTHER
from shadow.mirror.breaker import Breaker
from shadow.mirror.retry import wait_before_retry

TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What OpenAI's chat format allows."""


class Tools:
    """Counts the tool calls of an arm's answers, by names that production offered and can stand in a label."""

    def __init__(self, arm: str, metrics: Metrics) -> None:
        self._arm = arm
        self._metrics = metrics
        metrics.counter("shadow_tool_calls_recorded", arm, OTHER)

    def count(self, turn: Turn, message: Message) -> None:
        """A name that the model made up, or that is long or strange, counts as ``__other__``."""
        if not message.tool_calls:
            return
        functions = (tool.get("function") for tool in turn.tools)
        offered = [function.get("name") for function in functions if isinstance(function, dict)]
        for call in message.tool_calls:
            name = call.function.name
            fit = TOOL_NAME.fullmatch(name) is not None and name in offered
            self._metrics.counter("shadow_tool_calls_recorded", self._arm, name if fit else OTHER).inc()


class Asker:
    """One arm's calls. An unforeseen error of an adapter is a ``provider_error``, never a lost turn."""

    def __init__(self, arm: Arm, adapter: Adapter, breaker: Breaker, metrics: Metrics) -> None:
        self._arm = arm
        self._adapter = adapter
        self._breaker = breaker
        name = arm.name
        self._attempted = {
            kind: metrics.counter("shadow_candidate_attempts", name, kind) for kind in ("ok", *FAILURE_KINDS)
        }
        self._duration = metrics.histogram("shadow_candidate_request_duration_seconds", name)
        self._first_token = metrics.histogram("shadow_candidate_time_to_first_token_seconds", name)
        self._spent = metrics.counter("shadow_candidate_cost_usd", name)
        self._tokens_in = metrics.counter("shadow_candidate_tokens", name, "input")
        self._tokens_out = metrics.counter("shadow_candidate_tokens", name, "output")
        self._asked = {kind: metrics.counter("shadow_stage_events", "ask", kind) for kind in ("ok", "error")}
        self._tools = Tools(name, metrics)
        self._hold_until = 0.0  # loop time: the arm asked to be left alone (Retry-After)
        self._next_slot = 0.0  # loop time: requests_per_s

    async def ask(self, turn: Turn) -> dict[str, Any]:
        """The fields of the arm's :class:`~shadow.events.Reply`: its message and figures, or its failure.

        ``latency_s`` is that of the last attempt; waiting between attempts is the mirror's doing, not the arm's.
        """
        loop, limits = asyncio.get_running_loop(), self._arm.limits
        begun = loop.time()
        failure, latency, attempt = Failure(kind="timeout"), None, 0
        while await self._may_call(begun):
            attempt += 1
            started = loop.time()
            retry_after = None
            try:
                answer = await self._attempt(turn, begun)
            except AdapterError as error:
                failure, retry_after = Failure(kind=error.kind, detail=error.detail), error.retry_after_s
                retryable = error.retryable
            except TimeoutError:
                failure, retryable = (
                    Failure(kind="timeout", detail=f"no whole reply within {limits.timeout_s:g} s"),
                    True,
                )
            except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its failure)
                failure, retryable = Failure(kind="provider_error", detail=f"adapter: {error!r:.300}"), False
            else:
                taken_s = loop.time() - started
                return self._answered(turn, answer, attempt, taken_s if answer.latency_s is None else answer.latency_s)
            latency = loop.time() - started
            self._failed(failure, retry_after)
            wait = wait_before_retry(
                limits,
                attempt=attempt,
                elapsed_s=loop.time() - begun,
                retry_after_s=retry_after,
                chance=random.random(),
            )
            if not retryable or wait is None:
                break
            await asyncio.sleep(wait)
        if (
            attempt == 0
        ):  # our own pace, or the arm's Retry-After, has not let it through in time: no failure of the arm
            return {"shed": "too_old", "attempts": 0}
        self._asked["error"].inc()
        return {"failure": failure, "latency_s": latency, "attempts": attempt}

    async def close(self) -> None:
        """Close the adapter's connections."""
        await self._adapter.close()

    async def _attempt(self, turn: Turn, begun: float) -> Answer:
        limits = self._arm.limits
        left = limits.deadline_s - (asyncio.get_running_loop().time() - begun)
        async with asyncio.timeout(min(limits.timeout_s, left)):
            return await self._adapter.answer(turn)

    async def _may_call(self, begun: float) -> bool:
        """Wait for the arm's pace and for what its Retry-After asked; False if that would pass the deadline."""
        loop, rate = asyncio.get_running_loop(), self._arm.limits.requests_per_s
        at = max(loop.time(), self._hold_until)
        if rate is not None:
            at = max(at, self._next_slot)
        if at >= begun + self._arm.limits.deadline_s:
            return False
        if rate is not None:
            self._next_slot = at + 1 / rate
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        return True

    def _failed(self, failure: Failure, retry_after_s: float | None) -> None:
        now = asyncio.get_running_loop().time()
        self._breaker.record(ok=False, now_s=time.time())
        if retry_after_s is not None:
            self._hold_until = max(self._hold_until, now + retry_after_s)
        self._attempted[failure.kind].inc()

    def _answered(self, turn: Turn, answer: Answer, attempt: int, latency_s: float) -> dict[str, Any]:
        self._breaker.record(ok=True, now_s=time.time())
        gen_ai = answer.gen_ai
        cost = self._cost(gen_ai)
        trace = {"trace_id": turn.trace_id} if turn.trace_id else None
        self._attempted["ok"].inc()
        self._asked["ok"].inc()
        self._duration.observe(latency_s, trace)
        if answer.time_to_first_token_s is not None:
            self._first_token.observe(answer.time_to_first_token_s, trace)
        self._tools.count(turn, answer.message)
        self._spent.inc(cost)
        self._tokens_in.inc(gen_ai.input_tokens or 0)
        self._tokens_out.inc(gen_ai.output_tokens or 0)
        return {
            "message": answer.message,
            "latency_s": latency_s,
            "time_to_first_token_s": answer.time_to_first_token_s,
            "cost_usd": cost,
            "attempts": attempt,
            "gen_ai": gen_ai,
        }

    def _cost(self, gen_ai: GenAI) -> float:
        """US dollars by the arm's prices; tokens that the server did not count cost nothing here."""
        price = self._arm.price
        return (
            (gen_ai.input_tokens or 0) * price.input_usd_per_million
            + (gen_ai.output_tokens or 0) * price.output_usd_per_million
        ) / 1e6
