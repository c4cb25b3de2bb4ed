"""Who may go to production: each refusal says why and what to do, an override needs a person and a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner, Result

from shadow.cli import main
from shadow.config import Config, parse
from shadow.gate.rules import Why
from shadow.ledger import Finding, Ledger, LedgerError
from shadow.promotion.bundle import digest
from shadow.promotion.promote import REMEDIES, fragment, refusal
from shadow.promotion.verify import verify
from tests.fixtures.evidence import judged
from tests.fixtures.gate_ledger import configured
from tests.fixtures.gate_rows import EASY, every
from tests.fixtures.system import arm
from tests.unit.test_evidence import CONTROL

OVERRIDE = ("--by", "ann", "--reason", "the old one is down")


def call(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(folder / "shadow.yaml"), *words])


def recorded(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(call(folder, "promotions", "--json").output)
    return found


def refused(folder: Path, *words: str) -> None:
    """Exit code 1, one line with these words, and nothing recorded."""
    result = call(folder, "promote", "cand")
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
    for word in words:
        assert word in result.output
    assert recorded(folder) == []


def test_a_promotion_is_recorded_and_says_what_to_change(tmp_path: Path):
    config = judged(tmp_path)
    file = tmp_path / "evidence.zip"
    result = call(tmp_path, "promote", "cand", "--by", "ann", "--evidence", str(file))
    assert result.exit_code == 0, result.output
    [found] = recorded(tmp_path)
    assert (found["verdict"], found["person"], found["refusal"]) == ("PROMOTE", "ann", None)
    assert found["revision"] == config.arm("cand").revision
    assert found["evidence_sha256"] == digest(file.read_bytes())
    assert verify(file.read_bytes()).report["experiment"] == found["experiment"]
    assert "Nothing was deployed" in result.output
    assert "ann" in call(tmp_path, "promotions").output


def test_no_verdict_is_refused(tmp_path: Path):
    configured(tmp_path, "127.0.0.1:1")
    assert call(tmp_path, "promote", "cand").exit_code == 1
    judged(tmp_path, 0)
    refused(tmp_path, "the verdict is HOLD (no_data", "mirror traffic to it")


def test_hold_is_refused(tmp_path: Path):
    judged(tmp_path, 40)
    refused(tmp_path, "the verdict is HOLD (few_conversations", "shadow gate plan")


def test_reject_is_refused(tmp_path: Path):
    judged(tmp_path, failures=every(2))
    refused(tmp_path, "the verdict is REJECT (harm", "fix the candidate")


def test_a_stale_verdict_is_refused(tmp_path: Path):
    judged(tmp_path, age_s=4 * 24 * 3600)
    refused(tmp_path, "stale: no comparison of this candidate")


def test_a_verdict_on_another_revision_is_refused(tmp_path: Path):
    """The ledger's verdict is on what ran then; the configuration now names something else."""
    judged(tmp_path)
    gate = {**EASY, "max_age_s": 48 * 3600}
    configured(
        tmp_path,
        "127.0.0.1:1",
        gate=gate,
        candidates=[{**CONTROL, "name": "cand", "price": {"input_usd_per_million": 1}}],
    )
    refused(tmp_path, "candidate changed: the ledger knows other revisions")


def test_an_old_look_is_refused(tmp_path: Path):
    """Where the time between looks is longer than what is fresh."""
    config = judged(tmp_path, 5)
    report = {"verdict": "PROMOTE", "looked_at": 1_000.0, "candidate": "cand", "reasons": []}
    limit_s = config.gate.max_age_s
    assert refusal(config, report, [], 1_000 + limit_s) is None
    assert "wait for the next look" in (refusal(config, report, [], 1_001 + limit_s) or "")
    assert "wait for the next look" in (refusal(config, {**report, "looked_at": None}, [], 0) or "")


def test_an_open_critical_finding_against_any_of_the_owners_candidates_is_refused(tmp_path: Path):
    """Other severities are not, nor one that was closed, nor another team's."""
    gate = {**EASY, "max_age_s": 48 * 3600}
    limits = {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6}
    judged(tmp_path)
    arms = [arm("cand", limits=limits), arm("other", limits=limits), {**arm("theirs", limits=limits), "owner": "they"}]
    configured(tmp_path, "127.0.0.1:1", gate=gate, candidates=arms)
    add = ("findings", "add")
    for name, severity in (("cand", "major"), ("theirs", "critical"), ("other", "critical")):
        assert call(tmp_path, *add, name, "--severity", severity, "--text", "wrong").exit_code == 0
    refused(tmp_path, "'tests' has open critical findings: 3 (other)", "shadow findings close")
    assert call(tmp_path, "findings", "close", "3", "--by", "bob", "--reason", "mended").exit_code == 0
    assert call(tmp_path, "promote", "cand").exit_code == 0


@pytest.mark.parametrize("half", [OVERRIDE[:2], OVERRIDE[2:]])
def test_an_override_needs_a_person_and_a_reason(tmp_path: Path, half: tuple[str, ...]):
    judged(tmp_path, 40)
    assert call(tmp_path, "promote", "cand", *half).exit_code == 1
    assert call(tmp_path, "promote", "cand", "--by", " ", "--reason", "x").exit_code == 2
    assert call(tmp_path, "promote", "cand", "--by", "x", "--reason", "").exit_code == 2
    assert recorded(tmp_path) == []


def test_an_override_is_recorded_with_what_it_overrode(tmp_path: Path):
    judged(tmp_path, 40)
    assert call(tmp_path, "promote", "cand", *OVERRIDE).exit_code == 0
    [found] = recorded(tmp_path)
    assert (found["verdict"], found["person"], found["reason"]) == ("HOLD", "ann", OVERRIDE[3])
    assert found["refusal"].startswith("the verdict is HOLD (few_conversations")


def test_the_control_arm_and_a_stranger_cannot_be_promoted(tmp_path: Path):
    judged(tmp_path, 5)
    for name in ("control", "nobody"):
        result = call(tmp_path, "promote", name, *OVERRIDE)
        assert (result.exit_code, "there are: cand" in result.output) == (1, True)


@pytest.mark.parametrize("control", [None, CONTROL])
def test_the_fragment_swaps_the_roles_and_is_a_configuration(tmp_path: Path, control: dict[str, Any] | None):
    """Production becomes a candidate, asked as the control arm was; the candidate's model is the new control."""
    more = {"control": control} if control else {}
    rival = {**arm("rival", target="tests.fixtures.models:slow"), "owner": "they", "limits": CONTROL["limits"]}
    old = configured(tmp_path, "127.0.0.1:1", candidates=[rival, {**CONTROL, "name": "previous"}], **more)
    document = yaml.safe_load((tmp_path / "shadow.yaml").read_text())
    new: Config = parse(yaml.safe_dump(document | yaml.safe_load(fragment(old, "rival"))), "shadow.yaml")
    assert new.production.owner == "they"
    assert [(each.name, each.owner) for each in new.candidates] == [("previous-2", "tests"), ("previous", "tests")]
    assert (new.control is None) == (control is None)
    if old.control and new.control:
        assert new.control.adapter == old.arm("rival").adapter
        assert new.candidates[0].adapter == old.control.adapter


def test_findings_are_listed_and_closed_once(tmp_path: Path):
    config = judged(tmp_path, 5)
    add = call(tmp_path, "findings", "add", "cand", "--severity", "minor", "--text", "a\x1b[31m b", "--by", "ann")
    assert (add.exit_code, "\x1b" in add.output) == (0, False)
    assert call(tmp_path, "findings", "add", "nobody", "--severity", "minor", "--text", "x").exit_code == 1
    assert call(tmp_path, "findings", "add", "cand", "--severity", "grave", "--text", "x").exit_code == 2
    assert call(tmp_path, "findings", "add", "cand", "--severity", "minor", "--text", " ").exit_code == 2
    assert call(tmp_path, "findings", "close", "2", "--by", "bob", "--reason", "x").exit_code == 1
    assert call(tmp_path, "findings", "close", "1", "--by", "bob").exit_code == 2
    assert call(tmp_path, "findings", "close", "1", "--by", "bob", "--reason", "mended").exit_code == 0
    assert call(tmp_path, "findings", "close", "1", "--by", "eve", "--reason", "again").exit_code == 1
    [found] = json.loads(call(tmp_path, "findings", "list", "cand", "--json").output)
    assert (found["owner"], found["person"], found["closed_by"], found["closed_because"]) == (
        config.arm("cand").owner,
        "ann",
        "bob",
        "mended",
    )
    assert "no findings" in call(tmp_path, "findings", "list", "other").output


def test_a_ledger_that_is_not_there_is_no_empty_list(tmp_path: Path):
    """A wrong address would say that nothing is wrong with a candidate."""
    limits = {"timeout_s": 2, "deadline_s": 4, "max_age_s": 6}
    configured(tmp_path, "127.0.0.1:1", candidates=[arm("cand", limits=limits)])
    found = call(tmp_path, "findings", "list")
    assert (found.exit_code, "no such file" in found.output) == (1, True)


def test_the_book_only_grows(tmp_path: Path):
    """What was opened stays as it was written; closing adds a row."""
    with Ledger(f"sqlite:///{tmp_path / 'l.db'}") as ledger:
        first = ledger.book.open_finding("cand", "tests", "critical", said="wrong", person="ann", at=1.0)
        second = ledger.book.open_finding("cand", "tests", "minor", said="odd", person="ann", at=2.0)
        ledger.book.close_finding(first.finding_id, "bob", "mended", 3.0)
        with pytest.raises(LedgerError, match="was closed by 'bob'"):
            ledger.book.close_finding(first.finding_id, "eve", "again", 4.0)
        assert ledger.book.findings() == [
            Finding(1, "cand", "tests", "critical", "wrong", "ann", 1.0, 3.0, "bob", "mended"),
            second,
        ]


def test_every_reason_of_the_gate_has_a_remedy():
    assert set(get_args(Why)) - {"shown"} == set(REMEDIES)
