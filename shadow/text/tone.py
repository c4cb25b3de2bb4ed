"""The tone of a text, from cold to warm, by a small lexicon of what support says: en, de, pt, es."""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

from typing import Final

from shadow.text.language import language
from shadow.text.words import words

MAX_CHARACTERS: Final = 2_000

_WARM: Final = {
    "en": "thank thanks please sorry apologise apologize apologies happy glad welcome great pleasure appreciate "
    "understand gladly wonderful certainly hope enjoy",
    "de": "danke dank bitte entschuldigung entschuldigen leid gerne gern freuen freut willkommen verstehe verständnis "
    "selbstverständlich herzlich",
    "pt": "obrigado obrigada desculpe desculpas prazer feliz entendo compreendo claro agradecemos gentileza "
    "lamento lamentamos",
    "es": "gracias favor disculpe disculpas gusto encantado encantada bienvenido entiendo comprendo claro agradecemos "
    "lamento lamentamos",
}
_COLD: Final = {
    "en": "unfortunately impossible wrong fault ridiculous stupid nonsense refuse useless whatever obviously "
    "terrible unacceptable pointless idiot complain annoying never",
    "de": "leider unmöglich falsch schuld lächerlich dumm unsinn egal nutzlos niemals offensichtlich unverschämt",
    "pt": "infelizmente impossível errado culpa ridículo estúpido bobagem inútil nunca óbvio absurdo",
    "es": "desafortunadamente lamentablemente imposible culpa ridículo estúpido tontería inútil nunca obviamente absurdo",
}
_VALUE: Final = {name: dict.fromkeys(_WARM[name].split(), 1) | dict.fromkeys(_COLD[name].split(), -1) for name in _WARM}


def tone(text: str) -> float | None:
    """-1 (cold) to 1 (warm), 0 where nothing speaks for either; None in a language without a lexicon. About 10 us.

    (warm - cold) / (warm + cold + 1), counting words: one word moves it by half. Negation and irony are not seen.
    """
    values = _VALUE.get(language(text) or "")
    if values is None:
        return None
    found = [values[word] for word in words(text[:MAX_CHARACTERS]) if word in values]
    return sum(found) / (len(found) + 1)
