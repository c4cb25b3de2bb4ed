"""What is personal data and what only looks like it, in several languages and formats."""

from __future__ import annotations

import math
import random
import time

import pytest

from shadow.failures.pii_leak import PiiLeak
from shadow.text import pii
from shadow.text.pii import find, personal_data
from tests.evaluate import data
from tests.evaluate import pii as evaluation
from tests.fixtures.events import reply, turn

LABELLED = data.DATA / "open" / f"{evaluation.SOURCE}.jsonl.gz"

FOUND = {
    # e-mail
    "Write to anna.smith@mail.example.": ("email", "anna.smith@mail.example"),
    "Meine Adresse: Jörg.Müller+rechnung@büro.example": ("email", "jörg.müller+rechnung@büro.example"),
    "'o'brien@mail.example'": ("email", "o'brien@mail.example"),
    "<a href=mailto:ana@correo.example>": ("email", "ana@correo.example"),
    # phone
    "Call +49 151 23456789.": ("phone", "4915123456789"),
    "Call (415) 555-0132.": ("phone", "4155550132"),
    "My number is 415.555.0132 x45": ("phone", "4155550132"),
    "Rufen Sie mich unter 0151/23456789 an": ("phone", "015123456789"),
    "Meine Handynummer ist 015123456789": ("phone", "015123456789"),
    "Llámame al 612 345 678": ("phone", "612345678"),
    "O meu telemóvel é 912345678": ("phone", "912345678"),
    "Ligue para (11) 91234-5678": ("phone", "11912345678"),
    "Mon téléphone : 06.12.34.56.78": ("phone", "0612345678"),
    "phone: 555 0132": ("phone", "5550132"),
    "0161 496 0123 (home)": ("phone", "01614960123"),
    "هاتف +٤٩ ١٥١ ٢٣٤٥٦٧٨٩": ("phone", "4915123456789"),
    # card
    "Card 4111 1111 1111 1111 was charged.": ("card", "4111111111111111"),
    "Karte: 5500-0000-0000-0004": ("card", "5500000000000004"),
    "amex 3782 822463 10005": ("card", "378282246310005"),
    "4111\u00a01111\u00a01111\u00a01111": ("card", "4111111111111111"),
    "４１１１ １１１１ １１１１ １１１１": ("card", "4111111111111111"),
    # IBAN
    "IBAN DE89 3704 0044 0532 0130 00.": ("iban", "DE89370400440532013000"),
    "Mein Konto de89370400440532013000 bitte": ("iban", "DE89370400440532013000"),
    "PT50 0002 0123 1234 5678 9015 4 é o meu IBAN": ("iban", "PT50000201231234567890154"),
    "GB82-WEST-1234-5698-7654-32 to the other bank": ("iban", "GB82WEST12345698765432"),
    # addresses of the internet
    "I come from 86.121.97.248": ("ip", "86.121.97.248"),
    "IP: 2A02:908:1a2b::17": ("ip", "2a02:908:1a2b::17"),
    # numbers of persons, by their form
    "It is 123-45-6789.": ("national_id", "123456789"),
    "Meu documento: 529.982.247-25": ("national_id", "52998224725"),
    "Soy 12345678Z": ("national_id", "12345678Z"),
    "NIE X-1234567-L": ("national_id", "X1234567L"),
    "AB 12 34 56 C": ("national_id", "AB123456C"),
    "RSSMRA85T10A562S": ("national_id", "RSSMRA85T10A562S"),
    "131052-308T": ("national_id", "131052308T"),
    "ABCPK1234F ist meine": ("national_id", "ABCPK1234F"),
    "1.1.1.1": ("ip", "1.1.1.1"),
    # numbers of persons, by what the text says before them
    "my ssn is 123456789": ("national_id", "123456789"),
    "NHS number: 943 476 5919": ("national_id", "9434765919"),
    "Meine Steuer-ID lautet 86095742719": ("national_id", "86095742719"),
    "o meu NIF é 123456789": ("national_id", "123456789"),
    "Passport No. C01X00T47": ("national_id", "C01X00T47"),
    "My driver's license number is F162823540116": ("national_id", "F162823540116"),
    "date of birth: 2/8/1935": ("birth_date", "281935"),
    "geboren am 03.05.1981": ("birth_date", "03051981"),
    "I was born on May 3rd, 1981": ("birth_date", "MAY3RD1981"),
    "mi fecha de nacimiento es 3 de mayo de 1981": ("birth_date", "3DEMAYODE1981"),
    "número de la seguridad social 281234567840": ("national_id", "281234567840"),
}
NOT_FOUND = [
    "Write to support@shop.example.",
    "3@4.99 each, me@home",
    "Card 4111 1111 1111 1112 was charged.",
    "IBAN DE88 3704 0044 0532 0130 00.",
    "Call 1-800-555-0199 or 0800 123 4567.",
    "Order 1234567890 of 2026-05-03 at 10:30 for 1,234.56 USD.",
    "Bestellung 0151 23456789 vom 03.05.2026",
    "tracking number 468830347216 for pedido 612 345 678",
    "See https://help.example/a?id=637232283412702988-1680954362&rd=1 please.",
    "Tracking 0000000000000000.",
    "Your router is at 192.168.0.1, firmware 1.16.0.53, loopback ::1, at 10:30:45",
    "It is 000-12-3456 or 123.456.789-00 or 12345678A",
    "516 466 638 € of 1.234.567,89",
    "uploaded: Screenshot_2021-01-04-03-39-57-802",
    "It arrives on 03.05.2026, May 3rd, 2026 or 3 de mayo de 2026",
    "Portable Charger, product 6942297802",
    "uuid 550e8400-e29b-41d4-a716-446655440000",
    "",
]


@pytest.mark.parametrize(("text", "expected"), list(FOUND.items()))
def test_each_kind_is_found_and_comparable(text: str, expected: tuple[str, str]) -> None:
    assert personal_data(text) == [expected]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_personal_data_is_not_found(text: str) -> None:
    assert personal_data(text) == []


@pytest.mark.parametrize("text", list(FOUND))
def test_what_is_found_is_a_leak_only_where_the_turn_does_not_hold_it(text: str) -> None:
    """Leak detection and redaction ask the same rules."""
    holds = turn(messages=[{"role": "user", "content": text.upper()}])
    said = reply(message={"role": "assistant", "content": text})
    assert [*PiiLeak().detect(turn(), said)] == ["pii_leak"]
    assert PiiLeak().detect(holds, said) == {}


def test_a_phone_number_with_and_without_its_country_is_the_same() -> None:
    said = reply(message={"role": "assistant", "content": "We call +49 151 23456789."})
    assert [*PiiLeak().detect(turn(messages=[{"role": "user", "content": "Handy: 0151 23456789"}]), said)] == []
    assert [*PiiLeak().detect(turn(messages=[{"role": "user", "content": "Handy: 0151 23456780"}]), said)] == [
        "pii_leak"
    ]


@pytest.mark.parametrize("text", ["<EMAIL_bcdfghjk>", "Call <PHONE_zzzzzzzz>, id <ID_kqdtbnrz>, 5 of <CARD_bbbbbbbb>"])
def test_a_pseudonym_is_no_personal_data_even_an_invented_one(text: str) -> None:
    assert [*PiiLeak().detect(turn(), reply(message={"role": "assistant", "content": text}))] == []


def test_several_in_one_text_each_at_its_place() -> None:
    text = (
        "Ana (ana@correo.example) 0151 23456789, IBAN DE89370400440532013000 GB82WEST12345698765432; 4111111111111111"
    )
    found = find(text).found
    assert [text[start:end] for _, start, end, _ in found] == [
        "ana@correo.example", "0151 23456789", "DE89370400440532013000", "GB82WEST12345698765432", "4111111111111111",
    ]  # fmt: skip


KNOWN = (
    ("person", "Ada Lovelace"), ("person", "Li Wei"), ("person", "王小明"), ("person", "Ludwig van Beethoven"),
    ("person", "will smith"), ("address", "12 St James's Square"), ("address", "The Old Mill"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am Ada Lovelace.", ["Ada Lovelace"]),
        ("ada  lovelace, ADA", ["ada  lovelace", "ADA"]),
        ("Lovelace, Ada", ["Lovelace", "Ada"]),
        ("Adage, lovelace, Adam, Wei", ["Wei"]),
        ("我是王小明。", ["王小明"]),
        ("to 12 st james's square please", ["12 st james's square"]),
        ("James took 12 squares in the old town, The Mill", []),
        ("at THE OLD MILL", ["THE OLD MILL"]),
        ("the van of Mr Beethoven will come", ["Beethoven"]),
        ("I am Will, will you come? WILL SMITH", ["Will", "WILL SMITH"]),
    ],
)
def test_what_the_caller_knows_is_found(text: str, expected: list[str]) -> None:
    found = find(text, known=KNOWN).found
    assert [text[start:end] for _, start, end, _ in found] == expected
    assert {kind for kind, *_ in found} <= {"person", "address"}


def test_names_and_addresses_that_nobody_declared_are_not_found() -> None:
    """Said in the documentation: whoever finds a way should change it there."""
    assert personal_data("I am Ada Lovelace of 12 St James's Square, London") == []


@pytest.mark.parametrize(
    ("text", "unsure"),
    [
        ("My number is 5547848968", ["5547848968"]),
        ("Order 1234567890", []),
        ("on 2026-05-03 10:30 for 12345678", []),
        ("call 1-800-555-0199 from 192.168.100.100", []),
        ("4111 1111 1111 1112", ["4111 1111 1111 1112"]),
    ],
)
def test_digits_that_might_identify_somebody_are_named_as_unsure(text: str, unsure: list[str]) -> None:
    assert [text[start:end] for start, end in find(text).unsure] == unsure


@pytest.mark.parametrize("piece", [0, 1, 7, 400, 8_150, 8_190, 8_192, 16_380])
def test_a_long_text_is_read_to_its_end_and_across_the_seams_of_its_pieces(piece: int) -> None:
    text = "x " * (piece // 2) + "mail ada@mail.example or call 0151 23456789 now" + " y" * 9_000 + " bob@mail.example"
    assert [text[start:end] for _, start, end, _ in find(text).found] == [
        "ada@mail.example", "0151 23456789", "bob@mail.example",
    ]  # fmt: skip


HOSTILE = {
    "digit runs": lambda draw: "".join(draw.choices("0123456789", k=draw.randint(1, 12))) + draw.choice(" .-/()"),
    "announced": lambda draw: f"{draw.choice(['call', 'ssn', 'card', 'order'])} {draw.randint(10**5, 10**12)} ",
    "IBAN heads": lambda draw: draw.choice(["DE", "GB"]) + f"{draw.randint(10, 99)}" + draw.choice(" -"),
    "mail signs": lambda draw: draw.choice("abc.@%+-"),
    "colons": lambda draw: draw.choice("0123456789abcdef:"),
    "plus": lambda draw: f"+{draw.randint(10**9, 10**12)} ",
    "foreign digits": lambda draw: draw.choice("٠١٢１ 0"),
}


def timed(text: str) -> tuple[float, int]:
    """Seconds of the processor with nothing remembered, and how much is found."""
    pii._read.cache_clear()
    begun = time.process_time()
    found = find(text).found
    return time.process_time() - begun, len(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_megabyte_of_hostile_text_takes_seconds_and_not_for_ever(name: str) -> None:
    """At best: what else the machine does only adds to the time."""
    draw, half_s, whole_s = random.Random(name), math.inf, math.inf
    text = "".join(HOSTILE[name](draw) for _ in range(200_000))
    text = (text * (1_000_000 // len(text) + 1))[:1_000_000]
    for _ in range(4):
        (half, few), (whole, many) = timed(text[:500_000]), timed(text)
        assert many >= few
        half_s, whole_s = min(half_s, half), min(whole_s, whole)
        if whole_s < min(20, 6 * half_s + 0.5):
            break
    assert whole_s < 20
    assert whole_s < 6 * half_s + 0.5, "it grows faster than the text"


@pytest.mark.skipif(not LABELLED.is_file(), reason=f"{LABELLED} is absent; name the folder of data in SHADOW_DATA_DIR")
def test_labelled_sentences_stay_found() -> None:
    """``python -m tests.evaluate.pii`` prints the table, beside another library."""
    score = evaluation.score(evaluation.ours, data.rows(evaluation.SOURCE), lambda kind: evaluation.OURS.get(kind, ""))
    for label, kind in evaluation.KINDS.items():
        assert score.covered[label] >= 0.95 * score.entities[label] > 0
        assert score.wrong[kind] <= 0.05 * score.findings[kind]
