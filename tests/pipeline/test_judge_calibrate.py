"""``shadow judge calibrate`` against the simulated server, and on recorded verdicts of real judges."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shadow.cli import main
from tests.pipeline.test_simulate_server import serving

ROOT = Path(__file__).parents[2]
RECORDED = Path(os.environ.get("SHADOW_DATA_DIR") or ROOT.parent / "shared" / "data") / "open/judge"
PAIRS = 60


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with serving("--port", "0", "--latency", "0") as (address, _):
        yield address


def labelled(folder: Path) -> Path:
    """Pairs of which one reply has the customer's own order number, in a random place."""
    draw, lines = random.Random(5), []
    for number in range(PAIRS):
        label, order = draw.randrange(2), 10_000 + number
        replies = [f"Order {order} is on its way.", f"Order {order + 5_000} is on its way, thank you for waiting."]
        prompt = f"Where is order {order}?"
        ordered = replies[::-1] if label else replies
        lines.append(json.dumps({"prompt": prompt, "replies": ordered, "label": label}))
    file = folder / "labelled.jsonl"
    file.write_text("\n".join(lines))
    return file


def calibrate(folder: Path, base: str, model: str, file: Path, *arguments: str, **fields: Any) -> Result:
    adapter = {"type": "openai", "base_url": f"{base}/v1", "model": model, "params": fields.pop("params", {})}
    judge = {"adapter": adapter, "price": {"input_usd_per_million": 1.0}, "usd_per_day": 1, **fields}
    config = {"version": 1, "production": {"owner": "t", "model": "support-prod"}, "judge": judge}
    (folder / "shadow.yaml").write_text(json.dumps(config))
    command = ["--config", str(folder / "shadow.yaml"), "judge", "calibrate", str(file), *arguments]
    return CliRunner().invoke(main, command)


def figures(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)["all"]
    return found


def test_a_judge_that_is_right_agrees_in_both_orders(base: str, tmp_path: Path) -> None:
    found = figures(calibrate(tmp_path, base, "judge-facts", labelled(tmp_path), "--json"))
    assert (found["items"], found["errors"]) == (PAIRS, {})
    assert (found["agreement"]["k"], found["agreement"]["n"]) == (PAIRS, PAIRS)
    assert found["kappa"]["value"] == pytest.approx(1.0)
    assert found["order_changes_it"]["k"] == 0
    assert not found["position_bias"]["found"]
    assert 0 < found["cost_usd"] < 1


def test_a_judge_that_prefers_the_first_place_is_found_out(base: str, tmp_path: Path) -> None:
    result = calibrate(tmp_path, base, "judge-first", labelled(tmp_path))
    assert result.exit_code == 0
    [line] = [line for line in result.output.splitlines() if "position_bias" in line]
    assert "1.000" in line
    assert line.endswith("FOUND")
    assert f"{PAIRS} of {PAIRS}: verdicts that change with the places" in result.output


def test_answers_that_are_cut_or_no_json_are_errors_and_no_ties(base: str, tmp_path: Path) -> None:
    """A model that is no judge answers in prose; one with room for a token is cut."""
    for model, params, error in (
        ("judge-facts", {"max_tokens": 1}, "cut"),
        ("support-better", {}, "unparseable"),
        ("no-such-model", {}, "provider_error"),
    ):
        found = figures(calibrate(tmp_path, base, model, labelled(tmp_path), "--json", params=params))
        errors = found["errors"]
        assert sum(errors.values()) == PAIRS
        assert errors[error] >= PAIRS - 3  # the simulated server itself cuts an answer now and then
        assert (found["agreement"]["n"], found["ties"]["n"], found["kappa"]) == (0, 0, None)


def test_the_budget_ends_the_asking(base: str, tmp_path: Path) -> None:
    """Overshoot: at most the calls under way."""
    whole = figures(calibrate(tmp_path, base, "judge-facts", labelled(tmp_path), "--json"))["cost_usd"]
    found = figures(
        calibrate(tmp_path, base, "judge-facts", labelled(tmp_path), "--json", usd_per_day=whole / 3, max_in_flight=2)
    )
    assert found["errors"]["budget"] >= PAIRS / 2
    assert whole / 3 <= found["cost_usd"] <= whole / 3 + 2 * whole / PAIRS * 1.5


def test_the_same_content_is_asked_once(base: str, tmp_path: Path) -> None:
    file = labelled(tmp_path)
    once = figures(calibrate(tmp_path, base, "judge-facts", file, "--json"))["cost_usd"]
    file.write_text(file.read_text() + "\n" + file.read_text())
    found = figures(calibrate(tmp_path, base, "judge-facts", file, "--json"))
    assert (found["items"], found["agreement"]["k"]) == (2 * PAIRS, 2 * PAIRS)
    assert found["cost_usd"] == pytest.approx(once)


def test_wrong_use_is_one_line(base: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{\x1b[2J")
    result = calibrate(tmp_path, base, "judge-facts", tmp_path / "bad.jsonl")
    assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
    assert "\x1b" not in result.output


def test_recorded_verdicts_of_real_judges_are_compared_with_the_truth() -> None:
    files = sorted(RECORDED.glob("tau2_llm_judge*"))
    if not files:
        pytest.skip(f"{RECORDED} holds no tau2_llm_judge*; set SHADOW_DATA_DIR to the folder that holds open/judge")
    for file in files:
        result = CliRunner().invoke(main, ["judge", "calibrate", str(file), "--by", "judge_prompt", "--json"])
        assert result.exit_code == 0, result.output
        groups = json.loads(result.stdout)
        total = groups.pop("all")
        assert total["items"] == sum(group["items"] for group in groups.values()) > 0
        assert total["unreadable"]["value"] < 0.05
        low, high = total["agreement"]["interval"]
        assert 0.3 < low < total["agreement"]["value"] < high < 0.9
        assert total["failures_passed"]["value"] > 0.2  # they miss failures: that is what a calibration is for
        assert total["position_bias"] is None
