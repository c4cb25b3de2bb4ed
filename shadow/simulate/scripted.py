"""What a simulated model is going to send: the words, and how the wire behaves. Models make it, faults change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shadow.simulate.understand import Understood

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; ``arguments`` is JSON text, possibly broken."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Scripted:
    """A reply before it is sent. ``key`` is the hash of the conversation that it answers."""

    text: str
    about: Understood
    key: str
    calls: tuple[Call, ...] = ()
    finish_reason: FinishReason = "stop"
    latency_s: float = 0.0  # of the model, to the last byte: the server scales it
    first_token_s: float = 0.0  # of the model, part of latency_s
    input_tokens: int = 0
    status: int = 200
    retry_after_s: int | None = None
    delay_s: float = 0.0  # added by a fault, never scaled
    disconnect: bool = False  # the connection ends in the middle of the reply

    @property
    def output_tokens(self) -> int:
        """Four characters are about one token."""
        return tokens(self.text) + sum(tokens(call.name) + tokens(call.arguments) for call in self.calls)


def tokens(text: str) -> int:
    """About how many tokens ``text`` is."""
    return (len(text) + 3) // 4
