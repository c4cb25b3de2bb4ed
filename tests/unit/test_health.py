"""What a process says of itself: caught up or not, silent, hanging, stalled."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from consumers.health import Health, Standing
from shadow.health import BEHIND_S, HANG_S, SILENT_S, Patience, Reading, why_hanging, why_silent, why_stalled
from shadow.metrics.exporter import Metrics
from shadow.metrics.server import serve
from shadow.topology import TURNS
from tests.fixtures.brokers import free_ports

NOW_S = 1_790_000_000.0
PART = (TURNS, 0)


def reading(*, position: int, end: int, at_s: float = NOW_S) -> Reading:
    made = Reading()
    made.own([PART], 0.0)
    made.looked(PART, position=position, end=end, at_s=at_s)
    return made


def test_who_asks_in_vain_waits_twice_as_long_up_to_a_limit_until_something_is_heard() -> None:
    made, asked = Patience(10.0, 35.0), []
    made.begin(100.0)
    for now in range(100, 260):
        if made.ends(float(now)):
            asked.append(now)
            made.in_vain()
            made.begin(float(now))  # the next client
    assert asked == [110, 130, 165, 200, 235]
    made.heard(300.0)
    assert not made.ends(309.0)
    assert made.ends(310.0)
    assert not made.ends(319.0)  # asked once, and what was heard then was no reason to wait longer
    assert made.ends(320.0)


def test_a_process_that_has_not_joined_its_group_is_not_ready() -> None:
    assert Reading().why_not_ready(NOW_S) == "joining its consumer group"


def test_a_member_without_partitions_is_ready() -> None:
    made = Reading()
    made.own([], 0.0)
    assert made.why_not_ready(NOW_S) is None


def test_a_partition_that_was_never_looked_at_is_not_caught_up() -> None:
    made = Reading()
    made.own([PART, (TURNS, 1)], 0.0)
    made.looked(PART, position=5, end=5, at_s=NOW_S)
    assert made.why_not_ready(NOW_S) == "not caught up: 1 of 2 partitions have not been looked at"


def test_a_backlog_of_which_nothing_was_read_yet_is_not_caught_up() -> None:
    why = reading(position=0, end=500).why_not_ready(NOW_S)
    assert why == "not caught up: 500 records in 1 partitions are unread, none read yet"


@pytest.mark.parametrize(("age_s", "ready"), [(BEHIND_S, True), (BEHIND_S + 1, False)])
def test_a_process_is_behind_by_the_age_of_what_it_read_last(age_s: float, *, ready: bool) -> None:
    made = reading(position=0, end=500)
    made.read(PART, offset=99, at_s=NOW_S - age_s, now=1.0)
    assert (made.why_not_ready(NOW_S) is None) == ready


def test_a_quiet_topic_is_caught_up_however_old_its_last_record_is() -> None:
    made = reading(position=500, end=500)
    assert made.why_not_ready(NOW_S + 3600) is None


def test_new_records_on_a_quiet_topic_count_from_the_last_look() -> None:
    made = reading(position=500, end=500)
    made.looked(PART, position=500, end=600, at_s=NOW_S + 1)
    assert made.why_not_ready(NOW_S + BEHIND_S) is None
    assert made.why_not_ready(NOW_S + BEHIND_S + 1) is not None


def test_what_was_lost_is_known_no_more() -> None:
    made = reading(position=0, end=500)
    made.lose()
    made.read(PART, offset=1, at_s=NOW_S, now=1.0)
    assert made.places == {}
    assert made.why_not_ready(NOW_S) == "joining its consumer group"


def test_the_other_reasons_have_exact_boundaries() -> None:
    assert why_silent(SILENT_S) is None
    assert why_silent(SILENT_S + 1) == "broker: no fetch has been answered for 11 s"
    assert why_hanging(HANG_S) is None
    assert why_hanging(HANG_S + 1) == "hangs: the work loop has not turned for 61 s"
    assert why_stalled(0, 99) is None
    assert why_stalled(3, 20) == "stalled: 3 records wait, none has been read for 20 s"


def test_a_part_that_is_away_makes_a_process_unready_and_not_unhealthy() -> None:
    health = Health()
    health.part("start", None)
    health.part("ledger", "database is\nlocked")
    assert health.why_not_ready() == ["ledger: database is locked"]
    assert health.why_not_healthy() == []
    health.part("ledger", None)
    assert health.why_not_ready() == []


def test_a_process_that_has_not_begun_is_not_ready() -> None:
    assert Health().why_not_ready() == ["start: has not begun"]


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=90) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_server_answers_with_one_line_for_each_reason() -> None:
    reasons: list[str] = []
    [port] = free_ports(1)
    serve("127.0.0.1", port, Metrics("test"), healthy=list, ready=lambda: reasons)
    assert ask(port, "/readyz") == (200, "ok\n")
    reasons += ["ledger: locked", "stalled: 3"]
    assert ask(port, "/readyz") == (503, "ledger: locked\nstalled: 3\n")
    assert ask(port, "/healthz") == (200, "ok\n")
    assert ask(port, "/nothing")[0] == 404
    assert "shadow_build_info" in ask(port, "/metrics")[1]


def test_a_partition_that_was_taken_away_is_exported_no_more() -> None:
    metrics, made = Metrics("test"), reading(position=10, end=25)
    standing = Standing(metrics, "shadow.comparator")
    standing.show(made, {PART: 5})
    labels = {"group": "shadow.comparator", "topic": TURNS, "partition": "0"}
    assert metrics.registry.get_sample_value("shadow_consumer_lag_records", labels) == 20
    made.lose()
    standing.show(made, {})
    assert metrics.registry.get_sample_value("shadow_consumer_lag_records", labels) is None
