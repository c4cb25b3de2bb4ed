"""What the customer has said in a turn, for all slicers."""

from __future__ import annotations

from shadow.events import Turn


def said(turn: Turn) -> list[str]:
    """The customer's messages that the turn holds, the last one last; none if there is none."""
    return [message.text for message in turn.messages if message.role == "user"]


def last_said(turn: Turn) -> str:
    """The customer's message that is to be answered; ``""`` if there is none."""
    return next((message.text for message in reversed(turn.messages) if message.role == "user"), "")
