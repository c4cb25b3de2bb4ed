"""An arm that is a Python function: any pipeline, without a server in between."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Final

from shadow.adapters.base import AdapterConfigError, AdapterError, Answer, ProviderError, ReplyTimeout
from shadow.config import Arm, CallableAdapter
from shadow.events import Message, Turn

CUT: Final = "length"


class PythonCallable:
    """Calls ``module:function`` with the turn, and with the adapter's ``settings`` as keywords.

    The function may be async, or plain: it then runs in a thread, at most ``limits.max_in_flight`` at once, and a
    cancelled call goes on in its thread until it returns. It gives a :class:`Message`, text or an :class:`Answer`.
    Tools are seen only if the arm's ``tools`` is ``record``. A function's attribute ``prepare``, if it has one, is
    called with the settings before any turn: what takes long to load must not be the first turn's time-out.
    """

    def __init__(self, arm: Arm, *, environ: Mapping[str, str]) -> None:
        del environ  # a function reads its own
        if not isinstance(arm.adapter, CallableAdapter):
            raise AdapterConfigError(f"arm {arm.name!r}: adapter.type is {arm.adapter.type!r}; use 'callable'")
        self._arm = arm
        self._target = arm.adapter.target
        function = _load(arm.name, self._target)
        _prepare(arm, function)
        self._function = partial(function, **arm.adapter.settings)
        self._async = inspect.iscoroutinefunction(self._function)
        self._threads = ThreadPoolExecutor(arm.limits.max_in_flight, thread_name_prefix=f"arm-{arm.name}")

    async def answer(self, turn: Turn) -> Answer:
        """The function's answer. Raises :class:`AdapterError`; what the function raises is a provider_error."""
        seen = turn if self._arm.tools == "record" else turn.model_copy(update={"tools": []})
        try:
            if self._async:
                result = await self._function(seen)
            else:
                result = await asyncio.get_running_loop().run_in_executor(self._threads, self._function, seen)
                if inspect.isawaitable(result):
                    result = await result
        except AdapterError:
            raise
        except TimeoutError as error:
            raise ReplyTimeout(f"{self._target} raised {error!r}") from error
        except Exception as error:
            raise ProviderError(f"{self._target} raised {error!r}", retryable=False) from error
        return self._bounded(self._as_answer(result))

    async def close(self) -> None:
        """Start no further calls; running ones are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _as_answer(self, result: Any) -> Answer:
        if isinstance(result, Answer):
            return result
        if isinstance(result, Message):
            return Answer(result)
        if isinstance(result, str):
            return Answer(Message(role="assistant", content=result))
        raise ProviderError(
            f"{self._target} returned {type(result).__name__}; return Message, str or Answer", retryable=False
        )

    def _bounded(self, answer: Answer) -> Answer:
        content, limit = answer.message.content, self._arm.limits.max_reply_bytes
        if not isinstance(content, str) or len(content.encode(errors="replace")) <= limit:
            return answer
        text = content.encode(errors="replace")[:limit].decode(errors="ignore")
        return replace(
            answer,
            message=answer.message.model_copy(update={"content": text}),
            finish_reason=CUT,
            gen_ai=answer.gen_ai.model_copy(update={"finish_reasons": [CUT]}),
            truncated_by_limit=True,
        )


def _prepare(arm: Arm, function: Callable[..., Any]) -> None:
    prepare = getattr(function, "prepare", None)
    if prepare is None or not isinstance(arm.adapter, CallableAdapter):
        return
    try:
        prepare(**arm.adapter.settings)
    except Exception as error:
        raise AdapterConfigError(
            f"arm {arm.name!r}: adapter.target {arm.adapter.target!r} cannot be prepared with its settings ({error})"
        ) from error


def _load(arm: str, target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise AdapterConfigError(
            f"arm {arm!r}: adapter.target {target!r} cannot be loaded ({error!r}); is the package installed?"
        ) from error
    if not callable(found):
        raise AdapterConfigError(f"arm {arm!r}: adapter.target {target!r} is no function, but {type(found).__name__}")
    return found  # type: ignore[no-any-return]
