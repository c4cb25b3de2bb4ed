"""A sealed bundle: the same bytes again, any change named, nothing secret in it, a page that loads nothing."""

from __future__ import annotations

import json
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from shadow.cli import main
from shadow.gate.rows import LedgerRow
from shadow.ledger import Ledger
from shadow.promotion import columns
from shadow.promotion.bundle import MANIFEST, BundleError, pack, unpack
from shadow.promotion.evidence import seal
from shadow.promotion.page import page
from shadow.promotion.verify import verify
from shadow.promotion.worst import worst
from tests.fixtures.evidence import judged, members, repacked
from tests.fixtures.gate_ledger import configured, evaluator_of, store
from tests.fixtures.gate_rows import EASY, START, conversations, every, experiment, row

CONTROL = {
    "owner": "tests",
    "adapter": {"type": "callable", "target": "tests.fixtures.models:quick"},
    "limits": {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6},
}

values = st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.lists(st.tuples(values, values), max_size=30))
def test_rows_come_back_as_they_were(rows):
    assert list(columns.load("x", ("a", "b"), columns.dump(("a", "b"), rows))) == rows


@given(st.dictionaries(st.text("abc./", min_size=1), st.binary(max_size=50), max_size=5))
def test_a_bundle_gives_its_members_back_and_depends_on_nothing_else(found):
    packed = pack(found)
    assert unpack(packed) == found
    assert pack(dict(reversed(found.items()))) == packed


def test_columns_of_another_version_are_refused():
    with pytest.raises(BundleError, match="other fields"):
        list(columns.load("x", ("a",), columns.dump(("b",), [(1,)])))
    with pytest.raises(BundleError, match="cannot be read"):
        list(columns.load("x", ("a",), columns.dump(("a",), [(1,)])[:-3]))


@pytest.mark.parametrize("hostile", [b"", b"PK", b"no zip at all" * 50])
def test_what_is_no_bundle_is_refused(hostile):
    with pytest.raises(BundleError, match="is no bundle"):
        verify(hostile)


def test_a_member_that_is_missing_or_added_is_named():
    packed = pack({"a": b"1", "b": b"2"})
    whole = members(packed)
    assert set(whole) == {"a", "b", MANIFEST}
    with pytest.raises(BundleError, match="a: altered"):
        unpack(repacked(packed, lambda name, data: b"9" if name == "a" else data))
    other = members(pack({"a": b"1"}))[MANIFEST]
    with pytest.raises(BundleError, match="b: added"):
        unpack(repacked(packed, lambda name, data: other if name == MANIFEST else data))
    more = members(pack({"a": b"1", "b": b"2", "c": b"3"}))[MANIFEST]
    with pytest.raises(BundleError, match="c: missing"):
        unpack(repacked(packed, lambda name, data: more if name == MANIFEST else data))


def test_a_bundle_holds_no_address_and_refuses_a_password(tmp_path: Path):
    """Urls of broker and ledger may hold a password; an adapter's may too, and is part of the revision."""
    config = judged(tmp_path, 5)
    with Ledger(config.ledger.url) as ledger:
        found = members(seal(config, ledger, "cand", evaluator_of(config), time.time()).data)
        assert {"broker", "ledger", "metrics"}.isdisjoint(json.loads(found["config.json"]))
        assert config.ledger.url.encode() not in b"".join(found.values())
        for adapter in (
            {"type": "openai", "base_url": "https://me:secret@models.example/v1", "model": "m"},
            {"type": "openai", "base_url": "https://:secret@models.example/v1", "model": "m"},
            {"type": "http", "url": "https://bot.example/answer?key=secret"},
        ):
            arm = {**CONTROL, "name": "cand", "adapter": adapter}
            leaky = configured(tmp_path, "127.0.0.1:1", candidates=[arm])
            with pytest.raises(BundleError, match="password"):
                seal(leaky, ledger, "cand", "e", time.time())


def test_a_verdict_that_rests_on_the_judge_and_the_sentinel_replays_too(tmp_path: Path):
    """The judge's revision is part of the experiment: another judge, another one; its address holds no password."""
    gate = {
        **EASY,
        "max_age_s": 48 * 3600,
        "guardrails": [{"kind": "excess_divergence", "name": "judged", "measure": "judge", "margin": 0.1}],
    }
    judge = {
        "adapter": {"type": "openai", "base_url": "https://judge.example/v1", "model": "judge-1"},
        "price": {"input_usd_per_million": 1, "output_usd_per_million": 1},
        "usd_per_day": 1,
    }
    config = configured(tmp_path, "127.0.0.1:1", gate=gate, control=CONTROL, judge=judge)
    revision = config.arm("control").revision
    rows = [*conversations(60), *conversations(60, arm="control", arm_revision=revision, failures=every(2))]
    with Ledger(config.ledger.url) as ledger:
        store(ledger, rows, config, shift_s=time.time() - START - 24 * 3600)
        first = seal(config, ledger, "cand", evaluator_of(config), time.time())
        other = configured(
            tmp_path,
            "127.0.0.1:1",
            gate=gate,
            control=CONTROL,
            judge={**judge, "adapter": {**judge["adapter"], "model": "judge-2"}},
        )
        second = seal(other, ledger, "cand", evaluator_of(other), time.time())
        leaky = {**judge, "adapter": {**judge["adapter"], "base_url": "https://me:secret@judge.example/v1"}}
        with pytest.raises(BundleError, match="password"):
            seal(configured(tmp_path, "127.0.0.1:1", gate=gate, control=CONTROL, judge=leaky), ledger, "cand", "e", 1.0)
    assert verify(first.data).report == first.report
    assert first.report["sentinel"]["state"] == "control_worse"
    assert first.report["experiment"] != second.report["experiment"]
    assert any("judge down" in each["detail"] for each in first.report["reasons"])


def test_a_verdict_that_rests_on_scores_replays_too(tmp_path: Path):
    """Scores of guardrails are sealed, other scores are not: control's, the candidate's, and outcomes."""
    gate = {
        "guardrails": [{"kind": "excess_divergence", "name": "apart", "measure": "lexical", "margin": 0.1}],
        "cycle_s": 0,
        "conversation_idle_s": 100,
        "max_age_s": 48 * 3600,
        "min_conversations": 50,
    }
    config = configured(tmp_path, "127.0.0.1:1", gate=gate, control=CONTROL)
    evaluator, start = evaluator_of(config), time.time() - 40_000
    stored = [
        row(
            number,
            arm=arm,
            arm_revision=config.arm(arm).revision,
            evaluator_revision=evaluator,
            turn_arrived_at=start + 30 * number,
            measures={"lexical": (number % 7) / 10, "length": 0.123456789},
        )._asdict()
        for number in range(300)
        for arm in ("control", "cand")
    ]
    more = {"turn_partition": 0, "turn_offset": 0, "payload": "{}", "compared_at": start}
    with Ledger(config.ledger.url) as ledger:
        ledger.write_rows([each | more for each in stored], [])
        sealed = seal(config, ledger, "cand", evaluator, time.time())
    assert sealed.report["cells"][0]["conversations"] == 300
    assert verify(sealed.data).report == sealed.report
    found = members(sealed.data)
    assert b"0.123456789" not in found["comparisons.jsonl"]
    assert b"0.123456789" in found["worst.json"]


def test_the_worst_pairs_are_the_same_in_any_order():
    rows = [
        row(1, failures=["refusal"], production_failures=["refusal"]),
        row(2, failures=["refusal", "empty"], measures={"lexical": 0.1}),
        row(3, failures=["refusal"], measures={"lexical": 0.9, "length": 0.5}),
        row(4, failures=["refusal"], arm_revision="r2"),
        row(5, measures={"lexical": 0.8}),
    ]
    found = worst(experiment(), rows)
    assert [each["turn_id"] for each in found["failures"]] == ["c2:0", "c3:0"]
    assert [(each["turn_id"], each["divergence"]) for each in found["divergences"]] == [
        ("c5:0", 0.8),
        ("c3:0", 0.7),
        ("c2:0", 0.1),
    ]
    assert worst(experiment(), rows[::-1]) == found


class Page(HTMLParser):
    """Tags, attributes and words; whatever is left open at the end."""

    VOID = frozenset({"meta", "line", "circle", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href") or name[:2] == "on"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in self.VOID or self.open.pop() == tag

    def handle_data(self, data):
        self.words += data if self.open[-1:] != ["style"] else ""


def test_the_page_says_what_a_release_manager_asks_and_loads_nothing(tmp_path: Path):
    config = judged(tmp_path)
    with Ledger(config.ledger.url) as ledger:
        found = Page(seal(config, ledger, "cand", evaluator_of(config), time.time()).page.decode())
    assert (found.open, found.links) == ([], [])
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(found.tags)
    assert found.tags.count("circle") == 1
    for word in ("PROMOTE", "any_failure", "shown: every cell is within its margin", "What is not known", "1,800"):
        assert word in found.words


def test_a_hostile_name_stays_text_on_the_page(tmp_path: Path):
    config = judged(tmp_path, 5)
    with Ledger(config.ledger.url) as ledger:
        sealed = seal(config, ledger, "cand", evaluator_of(config), time.time())
    evil = "<script>alert(1)</script>\"'&"
    report = sealed.report | {"candidate": evil, "revision": evil, "reasons": [{"why": evil, "detail": evil}]}
    report["cells"] = [{**each, "name": evil, "slice": "s"} for each in report["cells"]]
    pair = {"turn_id": evil, "outcome": evil, "failures": [evil], "divergence": 0.5}
    facts = {"owner": evil, "evaluator_revision": evil, "versions": {evil: evil}}
    found = Page(page(report, facts, {"failures": [pair], "divergences": [pair]}))
    assert "script" not in found.tags
    assert found.words.count(evil) >= 8


def test_the_commands_seal_write_and_verify(tmp_path: Path):
    judged(tmp_path)
    file, html = tmp_path / "b.zip", tmp_path / "r.html"
    run = CliRunner().invoke
    command = ["--config", str(tmp_path / "shadow.yaml"), "evidence", "cand", "--output", str(file)]
    sealed = run(main, [*command, "--html", str(html)])
    assert sealed.exit_code == 0, sealed.output
    assert html.read_bytes() == members(file.read_bytes())["report.html"]
    digest = sealed.output.split()[-1]
    good = run(main, ["verify", str(file), "--digest", digest])
    assert (good.exit_code, "PROMOTE" in good.output) == (0, True)
    assert json.loads(run(main, ["verify", str(file), "--json"]).output)["verdict"] == "PROMOTE"
    other = run(main, ["verify", str(file), "--digest", "0" * 64])
    assert (other.exit_code, "is another file" in other.output) == (1, True)
    file.write_bytes(file.read_bytes()[:-100])
    assert run(main, ["verify", str(file)]).exit_code == 1
    assert run(main, ["verify", str(tmp_path / "none.zip")]).exit_code == 1
    assert run(main, [*command[:3], "nobody"]).exit_code == 1


def test_a_bundle_says_which_version_sealed_it_when_the_figures_differ(tmp_path: Path):
    """Another version may count otherwise: the remedy is the version, not an accusation."""
    config = judged(tmp_path, 5)
    with Ledger(config.ledger.url) as ledger:
        found = members(seal(config, ledger, "cand", evaluator_of(config), time.time()).data)
    del found[MANIFEST]
    facts = json.loads(found["seal.json"])
    facts["versions"]["shadow"] = "0.0.1"
    old = found | {"seal.json": json.dumps(facts).encode(), "report.json": b"{}"}
    with pytest.raises(BundleError, match=r"report\.json: is not what .* sealed by Shadow 0\.0\.1"):
        verify(pack(old))


def test_the_rows_hold_every_field_that_the_gate_reads():
    """A field that the gate begins to read is sealed from then on."""
    given = [row(1), row(2, failures=["refusal"])]
    dumped = columns.dump(LedgerRow._fields, given)
    assert [LedgerRow._make(each) for each in columns.load("x", LedgerRow._fields, dumped)] == given


def test_what_came_after_the_last_look_is_not_in_the_bundle(tmp_path: Path):
    """Sealed a moment later, with rows that no look has seen yet: the same bytes."""
    config = judged(tmp_path)
    with Ledger(config.ledger.url) as ledger:
        first = seal(config, ledger, "cand", evaluator_of(config), time.time())
        until = json.loads(members(first.data)["seal.json"])["until"]
        store(ledger, [row(9_000, turn_arrived_at=until - 1, recorded_at=until + 1)], config)
        assert seal(config, ledger, "cand", evaluator_of(config), until + 20).data == first.data
        later = seal(config, ledger, "cand", evaluator_of(config), until + 320)
    assert b"c9000:0" in members(later.data)["comparisons.jsonl"]
