"""The console's pages: what is refused names what there is; whatever stands in a record is escaped and bounded."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shadow import addresses, markup
from shadow.config import Config
from shadow.console import asked, frame, home, pair, pairs, reading
from shadow.console.asked import RefusedError
from shadow.console.ranking import Ranked
from shadow.events import ArmFacts
from shadow.promotion.worst import described
from tests.fixtures.comparisons import comparison
from tests.fixtures.gate_rows import row
from tests.fixtures.models import HOSTILE
from tests.fixtures.system import arm

SLICES = ("language=de", "tone_shift")
NASTY = "\n".join(HOSTILE)
CONFIG = Config.model_validate(
    {
        "version": 1,
        "production": {"owner": "tests", "model": "prod"},
        "control": arm("control"),
        "candidates": [arm("better"), arm("other", owner="<b>owners</b>")],
        "comparator": {"join_window_s": 100},
        "gate": {
            "guardrails": [
                {"kind": "failure", "name": "any_failure", "slices": ["tone_shift"]},
                {"kind": "excess_divergence", "name": "facts", "measure": "facts"},
                {"kind": "score", "name": "solved", "outcome": "solved"},
                {"kind": "slow", "name": "slow", "limit_s": 5},
                {"kind": "log_ratio", "name": "latency", "of": "latency"},
                {"kind": "zero_tolerance", "name": "leak", "failures": ["pii_leak"]},
            ]
        },
    }
)


def wanted(**query: str) -> asked.List:
    return asked.a_list(CONFIG, SLICES, query.items())


@pytest.mark.parametrize("slice_", ["", "all traffic", "__all__", None])
def test_every_turn_has_several_names(slice_: str | None) -> None:
    given = {} if slice_ is None else {"slice": slice_}
    assert wanted(candidate="better", guardrail="any_failure", **given).slice_ is None


@pytest.mark.parametrize(
    ("query", "status", "names"),
    [
        ([], 400, ["control", "better", "other"]),
        ([("candidate", "nobody")], 404, ["better"]),
        ([("candidate", "production")], 404, ["better"]),
        ([("candidate", "better"), ("guardrail", "x")], 404, ["any_failure", "leak"]),
        ([("candidate", "better"), ("slice", "x")], 404, ["tone_shift"]),
        ([("candidate", "better"), ("failure", "x")], 404, ["pii_leak"]),
        ([("candidate", "better"), ("measure", "judge")], 404, ["lexical", "facts"]),
        ([("candidate", "better"), ("measure", "facts"), ("guardrail", "facts")], 400, ["guardrail"]),
        ([("candidate", "better"), ("candidate", "other")], 400, []),
        ([("candidate", "better"), ("page", "2")], 400, ["candidate", "slice"]),
        ([("candidate", "better"), ("until", "now")], 400, []),
        ([("candidate", "better"), ("until", "nan")], 400, []),
    ],
)
def test_what_cannot_be_answered_is_refused_and_what_there_is_is_named(
    query: list[tuple[str, str]], status: int, names: list[str]
) -> None:
    with pytest.raises(RefusedError) as refused:
        asked.a_list(CONFIG, SLICES, query)
    assert refused.value.status == status
    assert set(names) <= set(refused.value.there_is)
    page = frame.refusal(refused.value)
    assert all(name in page for name in names)


@pytest.mark.parametrize("name", ["candidate", "guardrail", "failure", "measure", "slice", "until", "<i>"])
def test_a_refusal_says_a_value_again_as_text_alone_and_not_all_of_it(name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        asked.a_list(CONFIG, SLICES, {"candidate": "better", name: NASTY * 1_000}.items())
    page = frame.refusal(refused.value)
    assert len(page) < 10_000
    safe(page)


def test_a_links_text_and_address_are_escaped() -> None:
    assert frame.link('x?a=1&b="', "<b>\x1b") == '<a href="x?a=1&amp;b=&quot;">&lt;b&gt;\\x1b</a>'


def test_links_are_made_of_what_the_pages_take() -> None:
    assert addresses.address("/pairs", candidate="a", slice="all traffic") == "pairs?candidate=a&slice=all+traffic"
    with pytest.raises(ValueError, match="takes no 'rail'"):
        addresses.address("/pairs", rail="x")


OURS = {
    "html", "head", "body", "meta", "title", "style", "header", "footer", "a", "h1", "h2", "p", "small", "b", "ul",
    "li", "code", "form", "label", "select", "option", "button", "div", "table", "thead", "tbody", "tr", "th", "td",
    "span", "br", "meter",
}  # fmt: skip
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "href", "action", "name", "value", "selected", "class", "dir",
              "min", "max", "low", "high", "optimum"}  # fmt: skip


class Seen(HTMLParser):
    """What a browser makes of a page: every tag in order, its attributes, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.text += data


def safe(page: str) -> None:
    """Of what stands in a page, only our own tags are markup; links stay within; nothing turns or hides text."""
    seen = Seen(page)
    assert set(seen.tags) <= OURS
    assert [seen.tags.count(tag) for tag in ("html", "body", "style", "meta", "footer")] == [1, 1, 1, 2, 1]
    assert {name for name, _ in seen.attributes} <= ATTRIBUTES
    for name, value in seen.attributes:
        if name in {"href", "action"}:
            assert (urlsplit(value).scheme, urlsplit(value).netloc) == ("", ""), value
            assert value.partition("?")[0] in {".", "pairs", "pair"}
    assert all(char.isprintable() or char == "\n" for char in page)


def record(**fields: Any) -> Any:
    kinds = ["refusal", "pii_leak"]
    facts = ArmFacts.model_validate(
        {"failures": kinds, "causes": dict.fromkeys(kinds, NASTY * 50), "abstained": [NASTY]}
    )
    return comparison(1, "better", candidate=facts, slices=["tone_shift"], turn_id="c1:0", **fields)


def listed(query: dict[str, str], **fields: Any) -> str:
    """A page of one pair."""
    each = row(1, failures=["refusal", "pii_leak"], measures={"lexical": 0.9, "facts": 0.1})
    one = Ranked(each, described(each), counts=True, why="+1")
    found = {
        "shown": [one], "records": {"c1:0": record()}, "counted": 1, "ranked": 1, "looked_at": 1, "others": {},
        "off": 0, "newest": 1_790_000_000.0, "oldest": 1_790_000_000.0, "older": False, "instead": False, **fields,
    }  # fmt: skip
    return pairs.pairs(CONFIG, SLICES, wanted(candidate="better", **query), reading.Worst(**found))


@pytest.mark.parametrize("name", [each.name for each in CONFIG.gate.guardrails])
def test_a_list_says_what_counts_and_links_to_the_pair_and_back(name: str) -> None:
    page = listed({"guardrail": name, "slice": "tone_shift"})
    safe(page)
    [settings] = [each for each in CONFIG.gate.guardrails if each.name == name]
    assert f"On <b>1</b> of them it {home.about(settings)}" in unescape(page)
    [to] = re.findall(r'href="(pair\?[^"]*)"', page)
    given = {key: value for key, [value] in parse_qs(unescape(to.partition("?")[2])).items()}
    assert given == {"turn": "c1:0", "arm": "cand", "revision": "r1", "guardrail": name, "slice": "tone_shift"}
    assert asked.a_pair(given.items()).choice == {"guardrail": name, "slice": "tone_shift"}


def test_a_list_is_bounded_by_what_it_shows_of_a_cause() -> None:
    assert len(listed({})) < 20_000


def test_a_list_says_what_it_left_out_and_where_older_pairs_are() -> None:
    page = listed({}, looked_at=20_000, older=True, others={"of revision r0": 7, "judged by evaluator e0": 2})
    assert "the newest 20,000 pairs" in page
    assert "7 of revision r0" in page
    assert "2 judged by evaluator e0" in page
    [to] = re.findall(r'href="(pairs\?[^"]*until[^"]*)"', page)
    assert wanted(**{key: value for key, [value] in parse_qs(unescape(to.partition("?")[2])).items()}).until


def test_none_is_said_and_the_largest_divergences_are_shown_instead() -> None:
    page = listed({"guardrail": "leak"}, instead=True, counted=0)
    assert "<b>There is none</b> on which it did what nobody may: pii_leak" in page
    assert "may be missing" in listed({"guardrail": "solved"}, instead=True, counted=0)


def test_an_arm_without_pairs_is_said_so() -> None:
    page = listed({}, shown=[], records={}, newest=None, oldest=None, ranked=0, looked_at=0)
    assert "No pair of this arm is in the ledger" in page


def explained(**fields: Any) -> dict[str, Any]:
    text = {"text": NASTY + "\t<end>", "cut_characters": 980_000}
    side = {
        "failures": [{"kind": "refusal", "cause": NASTY * 100}], "detectors_broken": [NASTY], "latency_s": None,
        "time_to_first_token_s": 0.5, "cost_usd": 0.01, "attempts": 1, "input_tokens": 3, "output_tokens": None,
        "said": {**text, "tool_calls": [{"name": NASTY, "arguments": NASTY * 100}]},
    }  # fmt: skip
    return {
        "turn_id": "c1:0", "conversation_id": "c1", "depth": 2, "arm": "better", "arm_revision": "r1",
        "other_revisions": ["r0"], "outcome": "compared", "reason": None, "agreed": None, "evaluator_revision": NASTY,
        "evaluator_is_todays": False, "compared_at": 1_790_000_000.0, "broker_away": None, "customer": text,
        "production": {**side, "said": {"absent": NASTY}}, "candidate": side,
        "measures": {NASTY: {"value": 0.5}, "facts": {"abstained": NASTY}},
        "slices": [{"name": "tone_shift", "why": NASTY, "recorded": True},
                   {"name": "tool_use", "why": None, "recorded": False}],
        "outcomes": [{"arm": "better", "name": "solved", "value": NASTY, "detail": NASTY}], **fields,
    }  # fmt: skip


def test_a_pairs_page_shows_all_of_it_and_none_of_it_is_markup() -> None:
    page = pair.pair(asked.Pair("c1:0", "better", None, {"guardrail": "leak"}), explained(), "<b>owners</b>")
    safe(page)
    text = Seen(page).text
    for line in HOSTILE[:-1]:
        assert text.count(line) >= 3, line
    assert "980,000 more characters" in text
    assert r"\x1b[2J" in text
    assert r"\u202eecalper" in text
    assert "by today's slicers only" in text
    assert "abstained" in text
    assert 'href="pairs?candidate=better&amp;guardrail=leak"' in page


def test_a_broker_that_is_away_is_said_on_the_pairs_page() -> None:
    page = pair.pair(asked.Pair("c1:0", "better", None, {}), explained(broker_away="no answer <from> Kafka"), None)
    assert "no answer &lt;from&gt; Kafka. Words are missing" in page


def test_the_first_page_has_every_arm_and_every_list() -> None:
    page = home.home(CONFIG, SLICES, {"better": reading.Latest(1_790_000_000.0, "another")})
    safe(page)
    for arm_ in CONFIG.arms:
        assert f"<code>{arm_.revision}</code>" in page
        assert f'href="pairs?candidate={arm_.name}"' in page
    for each in CONFIG.gate.guardrails:
        assert f"candidate=better&amp;guardrail={each.name}" in page
    assert "of another revision: another" in page
    assert "none yet" in page
    assert all(asked.a_list(CONFIG, SLICES, [(key, value) for key, [value] in parse_qs(query).items()])
               for query in map(unescape, re.findall(r'href="pairs\?([^"]*)"', page)))  # fmt: skip


def test_what_cannot_be_seen_stands_there_as_its_number() -> None:
    assert markup.visible("a\u202eb\x00\u2028") == r"a\u202eb\x00\u2028"
    assert markup.words("<b>\r\nü") == "&lt;b&gt;\nü"
