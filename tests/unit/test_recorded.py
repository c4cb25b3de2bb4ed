"""An arm that says again what it said: the recorded words, figures and failures, and nothing for another's turn."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from shadow.adapters import AdapterConfigError, AdapterError, create
from shadow.adapters.recorded import TARGET
from shadow.asking import Asker
from shadow.config import Arm
from shadow.events import Failure, GenAI, Reply
from shadow.metrics.exporter import Metrics
from shadow.mirror.breaker import Breaker
from tests.fixtures.backtests import answered, asked

PRICE = {"input_usd_per_million": 1.0, "output_usd_per_million": 10.0}


def arm(file: Path) -> Arm:
    settings = {"file": str(file), "arm": "cand"}
    adapter = {"type": "callable", "target": TARGET, "settings": settings}
    return Arm.model_validate({"name": "cand", "owner": "o", "adapter": adapter, "price": PRICE})


def failed(number: int) -> Reply:
    reply = answered(asked(number), arm="cand", latency_s=None)
    return reply.model_copy(update={"message": None, "failure": Failure(kind="rate_limited", detail="busy")})


def recorded(tmp_path: Path) -> Path:
    used = GenAI(input_tokens=1_000, output_tokens=100, finish_reasons=["stop"])
    lines = [
        answered(asked(1), "One.", arm="cand", latency_s=7.5, gen_ai=used),
        answered(asked(1), "Said later.", arm="cand"),
        answered(asked(2), "Another arm's.", arm="other"),
        failed(3),
        answered(asked(4)).model_copy(update={"arm": "cand", "message": None, "shed": "budget"}),
    ]
    file = tmp_path / "replies.jsonl.gz"
    text = b"".join(line.to_json() + b"\n" for line in lines)
    file.write_bytes(gzip.compress(b"no json\n[]\n" + text + b'{"type": "reply", "arm": "cand"}\n'))
    return file


async def test_the_first_recorded_reply_is_given_with_its_own_latency_and_its_cost(tmp_path: Path) -> None:
    chosen = arm(recorded(tmp_path))
    asker = Asker(chosen, create(chosen, environ={}), Breaker(failures=5, probe_s=1), Metrics("test"))
    said = await asker.ask(asked(1))
    assert (said["message"].content, said["latency_s"]) == ("One.", 7.5)
    assert said["cost_usd"] == pytest.approx(0.002)


@pytest.mark.parametrize(("number", "kind"), [(3, "rate_limited"), (2, "provider_error"), (4, "provider_error")])
async def test_a_recorded_failure_fails_again_and_so_does_what_was_never_answered(
    tmp_path: Path, number: int, kind: str
) -> None:
    with pytest.raises(AdapterError) as caught:
        await create(arm(recorded(tmp_path)), environ={}).answer(asked(number))
    assert (caught.value.kind, caught.value.retryable) == (kind, False)


def test_a_file_that_is_not_there_is_said_before_any_turn(tmp_path: Path) -> None:
    with pytest.raises(AdapterConfigError, match=r"nothing\.jsonl"):
        create(arm(tmp_path / "nothing.jsonl"), environ={})
