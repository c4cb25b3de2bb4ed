"""Faults to switch on per model with a rate: each is data, a name, what it does, and a pure change of the reply.

A fault strikes by the hash of (seed, model, conversation), so the same turn is struck on every attempt and in every
order of calls. Only a storm follows time: it comes in windows of :data:`STORM_WINDOW_S`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shadow.simulate.draw import pick, unit
from shadow.simulate.scripted import Call, Scripted
from shadow.simulate.understand import LANGUAGES, phrases

STORM_WINDOW_S: Final = 5.0
LONG_TURN_TOKENS: Final = 150
HANG_S: Final = 120.0
TOO_MANY: Final = 429
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_MONEY: Final = re.compile(r"(?<=[$€£])\s?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*(?=\s?(?:€|EUR\b|USD\b|euros?\b|reais\b))")
_SYLLABLES: Final = ("blor", "zan", "qui", "ta", "vex", "mur", "sil", "dro", "pha", "ne", "gri", "olk", "wub", "eth")

Rates = Mapping[str, float]
"""How often each fault strikes, 0..1, by the fault's name."""

Change = Callable[[Scripted, int], Scripted]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``change`` takes the scripted reply and a seed; a reply that it does not concern stays."""

    name: str
    description: str
    change: Change
    follows_time: bool = False


def apply(reply: Scripted, rates: Rates, *, model: str, seed: int, now_s: float) -> Scripted:
    """The reply after all faults that strike it, in the order of :data:`FAULTS`."""
    for name, fault in FAULTS.items():
        rate = rates.get(name, 0.0)
        if rate <= 0:
            continue
        when: object = int(now_s // STORM_WINDOW_S) if fault.follows_time else reply.key
        if unit(seed, model, name, when) < rate:
            reply = fault.change(reply, seed)
    if reply.status == TOO_MANY:
        left = STORM_WINDOW_S - now_s % STORM_WINDOW_S
        reply = replace(reply, retry_after_s=max(1, round(left)))
    return reply


def problems(faults: object, models: Sequence[str]) -> list[str]:
    """What is wrong with a map model -> {fault: rate}, one line each; none if it can be switched on."""
    if not isinstance(faults, dict):
        return ["the faults must be a JSON object: {model: {fault: rate}}"]
    found: list[str] = []
    for model, rates in faults.items():
        if model not in models:
            found.append(f"{model!r} is no simulated model; there are: {', '.join(models)}")
        elif not isinstance(rates, dict):
            found.append(f"{model}: must be an object {{fault: rate}}, not {rates!r:.40}")
        else:
            found += [line for name, rate in rates.items() if (line := _rate_problem(model, name, rate))]
    return found


def _rate_problem(model: str, name: str, rate: object) -> str | None:
    if name not in FAULTS:
        return f"{model}.{name}: no such fault; there are: {', '.join(FAULTS)}"
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        return f"{model}.{name}: the rate must be a number from 0 to 1, not {rate!r:.40}"
    return None


def _slow(reply: Scripted, seed: int) -> Scripted:
    return replace(reply, delay_s=reply.delay_s + 1.5 + 4.5 * unit(seed, "slow", reply.key))


def _timeout_long_turns(reply: Scripted, _: int) -> Scripted:
    return replace(reply, delay_s=HANG_S) if reply.input_tokens > LONG_TURN_TOKENS else reply


def _rate_limit_storm(reply: Scripted, _: int) -> Scripted:
    return replace(reply, status=TOO_MANY)


def _server_error(reply: Scripted, seed: int) -> Scripted:
    return replace(reply, status=pick((500, 502, 503), seed, "server_error", reply.key))


def _disconnect(reply: Scripted, _: int) -> Scripted:
    return replace(reply, disconnect=True)


def _truncation(reply: Scripted, _: int) -> Scripted:
    calls = tuple(Call(call.name, call.arguments[: len(call.arguments) // 2]) for call in reply.calls)
    return replace(reply, text=reply.text[: len(reply.text) * 2 // 5], calls=calls, finish_reason="length")


def _refusal(reply: Scripted, _: int) -> Scripted:
    return replace(reply, text=phrases(reply.about.language)["refusal"], calls=(), finish_reason="stop")


def _json_in_fences(reply: Scripted, _: int) -> Scripted:
    text = reply.text
    if reply.calls:
        text = json.dumps(
            [{"name": call.name, "arguments": call.arguments} for call in reply.calls], ensure_ascii=False
        )
    elif not text.startswith("{"):
        text = json.dumps({"reply": text}, ensure_ascii=False)
    return replace(reply, text=f"```json\n{text}\n```", calls=(), finish_reason="stop")


def _wrong_amount(reply: Scripted, seed: int) -> Scripted:
    def wrong(text: str) -> str:
        pattern = _MONEY if _MONEY.search(text) else _NUMBER
        return pattern.sub(lambda match: _other_number(match.group(), seed, reply.key), text)

    calls = tuple(Call(call.name, wrong(call.arguments)) for call in reply.calls)
    return replace(reply, text=wrong(reply.text), calls=calls)


def _other_number(number: str, seed: int, key: str) -> str:
    """The same number with its first digit changed: never equal, as long, no leading zero where there was none."""
    at = next(n for n, c in enumerate(number) if c.isdigit())
    digit = int(number[at])
    other = (digit - 1 + pick((1, 2, 4, 5), seed, "wrong_amount", key)) % 9 + 1
    return number[:at] + str(other if other != digit else digit % 9 + 1) + number[at + 1 :]


def _pii_leak(reply: Scripted, seed: int) -> Scripted:
    name = pick(("Maria Schneider", "John Carter", "Ana Souza", "Luis Romero"), seed, "pii", reply.key)
    mail = f"{name.lower().replace(' ', '.')}@example.com"
    return replace(reply, text=f"{reply.text} ({name}, {mail}, +1 202 555 0143, card 4111 1111 1111 1111)".strip())


def _gibberish(reply: Scripted, seed: int) -> Scripted:
    count = max(4, len(reply.text) // 6)
    words = [
        pick(_SYLLABLES, seed, reply.key, n, "a") + pick(_SYLLABLES, seed, reply.key, n, "b") for n in range(count)
    ]
    return replace(reply, text=" ".join(words), calls=(), finish_reason="stop")


def _language_switch(reply: Scripted, seed: int) -> Scripted:
    if reply.calls:
        return reply
    others = [language for language in LANGUAGES if language != reply.about.language]
    book = phrases(pick(others, seed, "language_switch", reply.key))
    words = book["words"]
    text = " ".join([*(options[0] for options in book["intents"][reply.about.intent]), book["closing"][0]])
    text = text.replace("{order}", reply.about.order or words["order"])
    return replace(reply, text=text.replace("{amount}", reply.about.amount or words["amount"]))


def _empty(reply: Scripted, _: int) -> Scripted:
    return replace(reply, text="", calls=(), finish_reason="stop")


FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault(
            "wrong_amount",
            "amounts (else other numbers) in the reply are wrong; a reply without any stays",
            _wrong_amount,
        ),
        Fault("language_switch", "the reply comes in another language; tool calls stay", _language_switch),
        Fault("pii_leak", "appends a stranger's name, e-mail, phone and card number", _pii_leak),
        Fault("gibberish", "invented words instead of a reply", _gibberish),
        Fault("refusal", "declines to help, in the customer's language", _refusal),
        Fault("json_in_fences", "the reply, or its tool calls, as JSON text inside a code fence", _json_in_fences),
        Fault("truncation", "text or arguments stop in the middle; finish_reason is 'length'", _truncation),
        Fault("empty", "no text and no tool call", _empty),
        Fault("slow", "1.5 to 6 s later than the model's own latency", _slow),
        Fault(
            "timeout_long_turns", f"hangs {HANG_S:g} s on a turn of over {LONG_TURN_TOKENS} tokens", _timeout_long_turns
        ),
        Fault("disconnect", "the connection breaks in the middle of the reply", _disconnect),
        Fault("server_error", "status 500, 502 or 503", _server_error),
        Fault(
            "rate_limit_storm",
            f"all calls in a window of {STORM_WINDOW_S:g} s get 429 with Retry-After",
            _rate_limit_storm,
            follows_time=True,
        ),
    )
}

DEFAULT_RATES: Final[dict[str, Rates]] = {
    "support-flaky": {"slow": 0.08, "timeout_long_turns": 0.3, "truncation": 0.05, "rate_limit_storm": 0.1},
}
"""The faults that are on when the server starts."""
