"""Length, escalation, language and tone of a pair."""

from __future__ import annotations

import pytest

from shadow.events import Message
from shadow.measures import Pair
from shadow.measures.escalation import Escalation
from shadow.measures.language import Language
from shadow.measures.length import Length
from shadow.measures.tone import Tone
from shadow.text.language import language
from tests.fixtures.events import turn

EN = "Your order is on its way to you and will be there soon."
DE = "Ihre Bestellung ist auf dem Weg und wird bald bei Ihnen sein."
PT = "O seu pedido está a caminho e chega em 5 dias."
ES = "Su pedido está en camino y llega en 5 días a la casa."
FR = "Votre commande est en route et sera chez vous dans les jours."


def one(measure, production, arm, tool=None):
    calls = [{"function": {"name": tool}}] if tool else None
    other = Message.model_validate({"role": "assistant", "content": arm, "tool_calls": calls})
    [found] = measure.score([Pair(turn(), Message(role="assistant", content=production), other)])
    return found


@pytest.mark.parametrize(
    ("production", "arm", "value"),
    [("a", "b", 0.0), ("a b", "a", 0.25), ("a", "a b c d", 0.5), ("a", "a " * 1_000, 1.0), ("a", " ", None)],
)
def test_length(production, arm, value):
    assert one(Length(), production, arm).value == value


@pytest.mark.parametrize(
    "text",
    [
        "I will transfer you to a human agent.",
        "Let me connect you with one of our specialists.",
        "I have escalated this to the team.",
        "Ich leite Ihre Anfrage an einen Mitarbeiter weiter.",
        "Vou transferir você para um atendente.",
        "Le transfiero con un agente humano.",
    ],
)
def test_a_hand_over_is_seen(text):
    assert one(Escalation(), EN, text).value == 1.0
    assert one(Escalation(), text, text).value == 0.0


def test_a_hand_over_by_tool_is_seen_and_nothing_abstains():
    assert one(Escalation(), EN, "", tool="transfer_to_human_agents").value == 1.0
    assert one(Escalation(), EN, "", tool="get_order").value == 0.0
    assert one(Escalation(), EN, "").abstained == "no_text"


@pytest.mark.parametrize("text", [EN, "The driver will hand you the parcel.", "Please transfer the money to us."])
def test_what_is_no_hand_over(text):
    assert one(Escalation(), EN, text).value == 0.0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (EN, "en"),
        (DE, "de"),
        (PT, "pt"),
        (ES, "es"),
        (FR, "fr"),
        ("OK", None),
        ("🙂", None),
        (EN + DE, None),
        ("https://a.example/the-and-is-my-you-to", None),
        ("", None),
    ],
)
def test_language_of_a_text(text, code):
    assert language(text) == code


def test_language():
    assert one(Language(), EN, DE).value == 1.0
    assert one(Language(), ES, ES).value == 0.0
    assert one(Language(), EN, "OK").abstained == "uncertain_language"
    assert one(Language(), EN, " ").abstained == "no_text"


def test_tone():
    warm = "I am sorry and I understand you. Thank you for the hint, I am glad to help!"
    cold = "Unfortunately that is your fault and it is impossible to do this."
    assert 0.6 < one(Tone(), warm, cold).value < 0.9
    assert one(Tone(), warm, warm).value == 0.0
    assert one(Tone(), FR, FR).abstained == "unsupported_language"
    assert one(Tone(), EN, "").abstained == "no_text"
