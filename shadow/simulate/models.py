"""Simulated support models: pure functions from a conversation to a scripted reply.

=====================  ==============================================================================================
support-prod           production; asked again with another seed it is the control arm. Slips on 3 % of turns.
support-better         the same answers, a little slower, slips on 1 %.
support-slice-worse    like support-prod, but once the customer's tone has fallen it is curt, never apologises, and
                       6 of 10 replies name a wrong amount (where there is none: other wrong numbers).
support-flaky          support-prod on a bad connection: the same words, with faults on by default (``faults``).
=====================  ==============================================================================================

A slip is a wrong amount, a truncation, a refusal or the wrong language, each equally often. Slips are not spread
evenly: a fifth of all turns is hard (by hash of the conversation) and slips six times as often as the rest, for every
model, as real failures of two samples of one model go together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from shadow.simulate import faults, tooling
from shadow.simulate.draw import digest, log_normal, pick, unit
from shadow.simulate.scripted import Scripted, tokens
from shadow.simulate.understand import Message, Understood, phrases, text_of, understand

HARD_SHARE: Final = 0.2
HARD_FACTOR: Final = 3.0
EASY_FACTOR: Final = (1 - HARD_SHARE * HARD_FACTOR) / (1 - HARD_SHARE)
SLIPS: Final = ("wrong_amount", "truncation", "refusal", "language_switch")


@dataclass(frozen=True, slots=True)
class Model:
    """One simulated model: how often it slips, how fast it is, what it does to its slice."""

    name: str
    slip_rate: float
    median_s: float
    sigma: float = 0.35
    curt_when_fallen: bool = False
    voice: str = ""  # models of one voice choose the same words at the same seed


MODELS: Final[dict[str, Model]] = {
    model.name: model
    for model in (
        Model("support-prod", slip_rate=0.03, median_s=0.6),
        Model("support-better", slip_rate=0.01, median_s=0.7),
        Model("support-slice-worse", slip_rate=0.03, median_s=0.5, curt_when_fallen=True),
        Model("support-flaky", slip_rate=0.03, median_s=0.6, voice="support-prod"),
    )
}

WRONG_WHEN_FALLEN: Final = 0.6


def conversation_key(messages: Sequence[Message]) -> str:
    """Hash of all that was said, roles included: what faults and slips are drawn by."""
    return digest(*(f"{m.get('role')}:{text_of(m)}:{m.get('tool_calls') or ''}" for m in messages)).hex()


def answer(
    name: str,
    messages: Sequence[Message],
    *,
    seed: int,
    tools: Sequence[Mapping[str, Any]] = (),
    response_format: Mapping[str, Any] | None = None,
) -> Scripted:
    """What model ``name`` replies. Any messages get a reply; another ``seed`` gives other words of the same meaning.

    Raises :class:`KeyError` if there is no model of that name.
    """
    model = MODELS[name]
    key, about = conversation_key(messages), understand(messages)
    call = tooling.choose(tools, messages, about)
    if call:
        reply = Scripted("", about, key, (call,), "tool_calls")
    else:
        curt = model.curt_when_fallen and about.fallen
        reply = Scripted(compose(about, f"{model.voice or name} {key}", seed, curt=curt), about, key)
        if curt and unit(name, "wrong", key, seed) < WRONG_WHEN_FALLEN:
            reply = faults.FAULTS["wrong_amount"].change(reply, seed)
    reply = _slip(model, reply, seed)
    if response_format and not reply.calls:
        reply = _formatted(reply, response_format)
    return _timed(model, reply, messages, seed)


def compose(about: Understood, key: str, seed: int, *, curt: bool = False) -> str:
    """The words of a reply: an opening, one paraphrase of each sentence of the intent, a closing."""
    book = phrases(about.language)

    def choose(slot: str, options: Sequence[str]) -> str:
        return pick(options, slot, key, seed)

    sentences: list[str] = []
    if curt:
        sentences.append(choose("opening", book["curt"]))
    elif about.fallen:
        sentences.append(choose("opening", book["apology"]))
    elif about.intent not in ("smalltalk", "empty"):
        sentences.append(choose("opening", book["greeting"]))
    if about.found:
        sentences.append(choose("found", book["found"]))
    elif about.intent in ("refund", "order_status", "billing") and not (about.order or about.amount):
        sentences.append(choose("ask", book["ask_order"]))
    else:
        sentences += [choose(f"sentence {n}", options) for n, options in enumerate(book["intents"][about.intent])]
    if not curt:
        sentences.append(choose("closing", book["closing"]))
    return " ".join(_filled(sentence, about, book["words"]) for sentence in sentences)


def _filled(sentence: str, about: Understood, words: Mapping[str, str]) -> str:
    filled = (
        sentence.replace("{name}", f", {about.name}" if about.name else "")
        .replace("{amount}", about.amount or words["amount"])
        .replace("{order}", about.order or words["order"])
        .replace("{found}", about.found or "")
    )
    return filled[:1].upper() + filled[1:]


def _slip(model: Model, reply: Scripted, seed: int) -> Scripted:
    hard = unit("hard", reply.key) < HARD_SHARE
    rate = model.slip_rate * (HARD_FACTOR if hard else EASY_FACTOR)
    if unit(model.name, "slip", reply.key, seed) >= rate:
        return reply
    return faults.FAULTS[pick(SLIPS, "which slip", reply.key, seed)].change(reply, seed)


def _formatted(reply: Scripted, response_format: Mapping[str, Any]) -> Scripted:
    """The reply in the declared format: a JSON object, with a schema's own fields where there is a schema."""
    kind = response_format.get("type")
    if kind not in ("json_object", "json_schema"):
        return reply
    declared = response_format.get("json_schema")
    schema = declared.get("schema") if isinstance(declared, Mapping) else None
    value = tooling.fill(schema, reply.text, reply.about) if isinstance(schema, Mapping) else None
    plain = {"reply": reply.text, "intent": reply.about.intent, "language": reply.about.language}
    text = json.dumps(value if isinstance(value, dict) and value else plain, ensure_ascii=False)
    if reply.finish_reason == "length":
        text = text[: len(text) * 2 // 3]
    return replace(reply, text=text)


def _timed(model: Model, reply: Scripted, messages: Sequence[Message], seed: int) -> Scripted:
    """The reply with its tokens and its latency: longer replies take longer, half of it fixed."""
    asked = sum(tokens(text_of(message)) + 4 for message in messages)
    length = 0.5 + min(reply.output_tokens, 400) / 80
    latency_s = log_normal(model.median_s, model.sigma, model.name, "latency", reply.key, seed) * length
    return replace(reply, latency_s=latency_s, first_token_s=0.35 * latency_s, input_tokens=asked)
