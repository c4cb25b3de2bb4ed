"""One changed fact in replies that say the same otherwise: the facts measure beside the semantic one.

Generated pairs: two wordings of one message in en, de, pt or es, each fact in a format of its own, equal in meaning or
with exactly one fact changed. Real text: agents' replies of which one fact is changed, or only written in another
format. A pair is called changed where the facts measure is above 0; the semantic measure gets its best limit in
hindsight.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Final

from shadow import plugins
from shadow.measures import Pair
from tests.evaluate.data import AbsentError, Half, half, message, rows, turn
from tests.evaluate.table import Tally, table

GENERATED: Final = 1_000
"""Pairs of each language."""
MOST: Final = 1_500
"""Real replies of each source and half."""

Draw = random.Random
Formats = tuple[Callable[[int], str], ...]

_MONTHS_TEXT: Final = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
MONTHS: Final = {language: names.split() for language, names in _MONTHS_TEXT.items()}
_SPELT_TEXT: Final = {
    "en": "two three four five six",
    "de": "zwei drei vier fünf sechs",
    "pt": "duas três quatro cinco seis",
    "es": "dos tres cuatro cinco seis",
}
SPELT: Final = {language: names.split() for language, names in _SPELT_TEXT.items()}


def _day(number: int) -> tuple[int, int]:
    return number % 12 + 1, number % 28 + 1


def _point(number: int) -> str:
    return f"{number // 100:,}.{number % 100:02}"


def _comma(number: int) -> str:
    return f"{number // 100:,}".replace(",", ".") + f",{number % 100:02}"


def formats(language: str) -> dict[str, Formats]:
    """Every way to write each kind of fact, given a number that stands for it."""
    months = MONTHS[language]
    iso = lambda n: f"2026-{_day(n)[0]:02}-{_day(n)[1]:02}"  # noqa: E731 (one line of a table)
    dates: Formats = {
        "en": (
            iso,
            lambda n: f"{months[_day(n)[0] - 1]} {_day(n)[1]}, 2026",
            lambda n: f"{_day(n)[1]} {months[_day(n)[0] - 1][:3]} 2026",
        ),
        "de": (iso, lambda n: f"{_day(n)[1]}. {months[_day(n)[0] - 1]} 2026", _dotted),
        "pt": (iso, lambda n: f"{_day(n)[1]} de {months[_day(n)[0] - 1]} de 2026"),
        "es": (iso, lambda n: f"{_day(n)[1]} de {months[_day(n)[0] - 1]} de 2026"),
    }[language]
    amounts: Formats = {
        "en": (lambda n: f"${_point(n)}", lambda n: f"{_point(n)} USD", lambda n: f"USD {_point(n)}"),
        "de": (lambda n: f"{_comma(n)} €", lambda n: f"EUR {_comma(n)}", lambda n: f"{_comma(n)} Euro"),
        "pt": (lambda n: f"R$ {_comma(n)}", lambda n: f"R${_comma(n)}", lambda n: f"{_comma(n)} reais"),
        "es": (lambda n: f"{_comma(n)} €", lambda n: f"{_comma(n)} euros", lambda n: f"€{_comma(n)}"),
    }[language]
    days, weeks = {
        "en": ("days", "weeks"),
        "de": ("Tage", "Wochen"),
        "pt": ("dias", "semanas"),
        "es": ("días", "semanas"),
    }[language]
    return {
        "date": dates,
        "amount": amounts,
        "duration": (
            lambda n: f"{n % 5 + 2} {weeks}",
            lambda n: f"{7 * (n % 5 + 2)} {days}",
            lambda n: f"{SPELT[language][n % 5]} {weeks}",
        ),
        "number": (lambda n: str(n % 900 + 100), lambda n: f"{n % 900 + 100}"),
        "id": (lambda n: f"AB-{10_000 + n}", lambda n: f"#AB-{10_000 + n}"),
        "link": (lambda n: f"https://www.shop.example/o/{n}", lambda n: f"http://shop.example/o/{n}"),
        "email": (lambda n: f"team{n}@shop.example", lambda n: f"Team{n}@Shop.Example"),
        "percent": (lambda n: f"{n % 80 + 5}%", lambda n: f"{n % 80 + 5} %"),
    }


def _dotted(number: int) -> str:
    month, day = _day(number)
    return f"{day:02}.{month:02}.2026"


WORDINGS: Final[dict[str, list[tuple[str, ...]]]] = {
    "en": [
        (
            "Your refund of {amount} for order {id} will arrive by {date}.",
            "By {date} you get {amount} back, order {id}.",
        ),
        ("It takes {duration}; write to {email}.", "Allow {duration} for this, or contact us at {email}."),
        ("{percent} of it is covered, see {link} .", "As {link} says, we cover {percent}."),
        ("You have {number} points since {date}.", "Since {date} your balance is {number} points."),
    ],
    "de": [
        (
            "Ihre Erstattung von {amount} zu {id} kommt bis {date} an.",
            "Bis {date} erhalten Sie {amount} zurück ({id}).",
        ),
        ("Das dauert {duration}; schreiben Sie an {email}.", "Rechnen Sie mit {duration}. Kontakt: {email}"),
        ("{percent} davon sind gedeckt, siehe {link} .", "Wie {link} sagt, decken wir {percent}."),
        ("Sie haben {number} Punkte seit {date}.", "Seit {date} steht Ihr Konto bei {number} Punkten."),
    ],
    "pt": [
        ("O reembolso de {amount} do pedido {id} chega até {date}.", "Até {date} você recebe {amount}, pedido {id}."),
        ("Isso leva {duration}; escreva para {email}.", "Aguarde {duration} ou fale conosco: {email}"),
        ("{percent} está coberto, veja {link} .", "Como diz {link} , cobrimos {percent}."),
        ("Você tem {number} pontos desde {date}.", "Desde {date} seu saldo é de {number} pontos."),
    ],
    "es": [
        ("El reembolso de {amount} del pedido {id} llega el {date}.", "El {date} recibe {amount}, pedido {id}."),
        ("Esto tarda {duration}; escriba a {email}.", "Cuente con {duration} o escriba a {email}."),
        ("El {percent} está cubierto, vea {link} .", "Como dice {link} , cubrimos el {percent}."),
        ("Tiene {number} puntos desde el {date}.", "Desde el {date} su saldo es de {number} puntos."),
    ],
}
_SLOT: Final = re.compile(r"\{(\w+)\}")


def generated(language: str, draw: Draw) -> Iterator[tuple[str, str, bool]]:
    """Pairs of texts, and whether one fact was changed: half of them."""
    written = formats(language)
    for number in range(GENERATED):
        wordings = draw.sample(WORDINGS[language], 2)
        slots = [slot for wording in wordings for slot in _SLOT.findall(wording[0])]
        values = {
            (at, slot): draw.randrange(1, 80_000) for at, w in enumerate(wordings) for slot in _SLOT.findall(w[0])
        }
        other = dict(values)
        if changed := number % 2 == 1:
            key = draw.choice(sorted(values))
            while written[key[1]][0](other[key]) == written[key[1]][0](values[key]):
                other[key] = draw.randrange(1, 80_000)
        assert slots
        texts = [_said(wordings, each, written, draw) for each in (values, other)]
        yield texts[0], texts[1], changed


def _said(
    wordings: list[tuple[str, ...]], values: dict[tuple[int, str], int], written: dict[str, Formats], draw: Draw
) -> str:
    def fill(at: int, wording: str) -> str:
        return _SLOT.sub(lambda slot: draw.choice(written[slot[1]])(values[at, slot[1]]), wording)

    return " ".join(fill(at, draw.choice(wording)) for at, wording in enumerate(wordings))


_NUMBER: Final = re.compile(r"(?<![\w./:#@-])(\$ ?)?(\d{1,3}(?:,\d{3})+|\d{2,6})(\.\d{2})?(?![\w/:@-]|[.,]\d)")


def real(texts: list[str], draw: Draw) -> Iterator[tuple[str, str, bool]]:
    """Each text beside itself with one number changed, or with only its format and the words around altered."""
    for number, text in enumerate(texts):
        found = list(_NUMBER.finditer(text))
        if not found:
            continue
        match = draw.choice(found)
        whole = int(match[2].replace(",", ""))
        changed = number % 2 == 1
        value = whole + draw.choice([-1, 1, 10, 100]) if changed else whole
        mark = match[1] or ""
        # A year or a short number is not written with a comma.
        grouped = f"{value:,}" if value > 9_999 and draw.random() < 0.5 else str(value)
        cents = match[3] or (".00" if mark and draw.random() < 0.5 else "")
        other = f"{text[: match.start()]}{mark}{grouped}{cents}{text[match.end() :]}"
        yield text, f"{draw.choice(OPENINGS)} {other}", changed


OPENINGS: Final = ("Sure.", "Thank you for asking!", "Of course:", "Let me see.", "Gerne.", "Claro.")


def sources() -> dict[str, Callable[[Half], list[str]]]:
    """Agents' replies with a digit, by source."""

    def spoken(name: str) -> Callable[[Half], list[str]]:
        return lambda which: [
            each["text"]
            for row in rows(f"conversations/{name}")
            if half(row) == which
            for each in row["turns"]
            if each["role"] == "agent" and re.search(r"\d\d", each["text"])
        ]

    def bitext(which: Half) -> list[str]:
        return [
            row["reply"]["text"]
            for row in rows("paired/bitext")
            if half(row) == which and re.search(r"\d\d", row["reply"]["text"])
        ]

    return {name: spoken(name) for name in ("maia", "ibm_twitter", "sgd")} | {"bitext": bitext}


def tables() -> Iterator[str]:
    """One line for each language and each source."""
    body = [_line(f"generated, {name}", list(generated(name, random.Random(name)))) for name in WORDINGS]
    absent = []
    for source, read in sources().items():
        try:
            body += _real_lines(source, read)
        except AbsentError as error:
            absent.append(str(error))
    head = ("text", "pairs", "changed", "recall", "precision", "semantic: limit", "recall", "precision")
    yield table("One changed fact", head, body, "; ".join(absent))


def _real_lines(source: str, read: Callable[[Half], list[str]]) -> Iterator[list[object]]:
    names: tuple[Half, ...] = ("tuned", "fresh")
    for name in names:
        draw = random.Random(f"{source} {name}")
        texts = sorted(set(read(name)))
        cases = list(real(draw.sample(texts, min(MOST, len(texts))), draw))
        if cases:
            yield _line(f"{source}, {name}", cases)


def scored(measure: str, cases: list[tuple[str, str, bool]]) -> list[float]:
    """The measure's score of each pair; where it abstains, 0."""
    asked = turn("evaluation", [message("customer", "What about my order?")])
    pairs = [Pair(asked, message("agent", one), message("agent", other)) for one, other, _ in cases]
    return [score.value or 0.0 for score in plugins.measures([measure])[measure].score(pairs)]


def _line(name: str, cases: list[tuple[str, str, bool]]) -> list[object]:
    truth = [changed for *_, changed in cases]
    facts, semantic = scored("facts", cases), scored("semantic", cases)
    by_facts = _tally(facts, truth, 0.0)
    limits = sorted(set(semantic))[:: max(1, len(set(semantic)) // 100)]
    limit = max(limits, key=lambda at: _balance(_tally(semantic, truth, at)))
    by_meaning = _tally(semantic, truth, limit)
    return [
        name,
        len(cases),
        sum(truth),
        by_facts.recall,
        by_facts.precision,
        limit,
        by_meaning.recall,
        by_meaning.precision,
    ]


def _tally(scores: list[float], truth: list[bool], limit: float) -> Tally:
    tally = Tally()
    for score, true in zip(scores, truth, strict=True):
        tally.add(said=score > limit, true=true)
    return tally


def _balance(tally: Tally) -> float:
    return (tally.recall or 0.0) - (tally.alarm_rate or 0.0)


if __name__ == "__main__":
    for text in tables():
        print(text)
