"""What the doctor says of facts: its boundaries, its remedies, and that no answer is no good answer."""

from __future__ import annotations

import threading

import pytest

from shadow.cli.doctor.runner import Check, run
from shadow.doctor import Finding, brokers, clocks, endpoints, fine, healthy, ledgers, machine, processes, prometheus
from shadow.doctor.brokers import Cluster, GroupFacts, TopicFacts
from shadow.doctor.clocks import Stamped
from shadow.health import BEHIND_S
from shadow.topology import CONTROL, TOPOLOGY, TURNS
from tests.fixtures.brokers import config_for

NOW_S = 1_790_000_000.0
CONFIG = config_for("kafka-1:9092", partitions=3, replication=2)


def topics(**changed: TopicFacts | None) -> dict[str, TopicFacts]:
    found = {topic.name: TopicFacts(topic.partitions or 3, 2, 2, 0, topic.configs()) for topic in TOPOLOGY} | changed
    return {name: facts for name, facts in found.items() if facts is not None}


def on_turns(facts: TopicFacts | None) -> list[tuple[str, str, str]]:
    found = brokers.on_topics(CONFIG, topics(**{TURNS: facts}), "shadow")
    assert {each.check for each in found} == {f"topic {TURNS}"}
    return [(each.status, each.says, each.remedy) for each in found]


def test_topics_as_the_topology_wants_them_are_one_line() -> None:
    [found] = brokers.on_topics(CONFIG, topics(), "shadow")
    assert (found.status, found.says) == ("ok", f"{len(TOPOLOGY)} topics as the topology wants them")


def test_a_missing_topic_is_created_by_a_command() -> None:
    [(status, says, remedy)] = on_turns(None)
    assert (status, says, remedy) == ("fail", "is not there", "`shadow topics` creates what is missing")


SETTINGS = {topic.name: topic.configs() for topic in TOPOLOGY}[TURNS]


@pytest.mark.parametrize(
    ("facts", "status", "says", "remedy"),
    [
        (TopicFacts(4, 2, 2, 0, SETTINGS), "fail", "4 partitions, and 3", "set broker.partitions to 4"),
        (TopicFacts(3, 2, 2, 1, SETTINGS), "fail", "1 partitions have no leader", "start the brokers"),
        (TopicFacts(3, 2, 1, 0, SETTINGS), "warn", "1 of 2 replicas in step", "start the broker"),
        (TopicFacts(3, 1, 1, 0, SETTINGS), "warn", "1 replicas, and broker.replication is 2", "kafka-reassign"),
        (TopicFacts(3, 2, 2, 0, SETTINGS | {"message.timestamp.type": "CreateTime"}), "fail", "CreateTime",
         "--entity-name support.turns --add-config message.timestamp.type=LogAppendTime"),
        (TopicFacts(3, 2, 2, 0, SETTINGS | {"retention.ms": "1000"}), "warn", "retention.ms is 1000",
         "kafka-configs.sh"),
    ],
)  # fmt: skip
def test_a_topic_that_differs_is_a_line_with_its_remedy(facts: TopicFacts, status: str, says: str, remedy: str) -> None:
    [(found, said, advised)] = on_turns(facts)
    assert found == status
    assert says in said
    assert remedy in advised


@pytest.mark.parametrize("kept", ["-1", "99999999999"])
def test_a_topic_that_keeps_more_than_it_must_is_as_wanted(kept: str) -> None:
    [found] = brokers.on_topics(CONFIG, topics(**{TURNS: TopicFacts(3, 2, 2, 0, {"retention.ms": kept})}), "shadow")
    assert found.status == "ok"


def test_a_topic_of_one_partition_is_not_mended_by_a_setting() -> None:
    [found] = brokers.on_topics(CONFIG, topics(**{CONTROL: TopicFacts(3, 2, 2, 0, {})}), "shadow")
    assert "broker.partitions" not in found.remedy


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (GroupFacts(0, None, "Stable"), "ok"),
        (GroupFacts(5, NOW_S - BEHIND_S, "Stable"), "ok"),
        (GroupFacts(5, NOW_S - BEHIND_S - 1, "Stable"), "warn"),
        (GroupFacts(5, NOW_S - brokers.LATE_S - 1, "Unknown"), "fail"),
        (GroupFacts(0, None, None), "warn"),
        (GroupFacts(0, None, "Empty"), "warn"),
        (GroupFacts(5, NOW_S, "Empty"), "fail"),
    ],
)
def test_a_group_is_judged_by_the_age_of_what_it_has_not_read(facts: GroupFacts, status: str) -> None:
    [found] = brokers.on_groups({"shadow.mirror.control": facts}, NOW_S)
    assert found.status == status
    assert "mirror --arm control" in found.remedy or facts.state in {"Stable", "Unknown"}


def test_an_old_kafka_and_a_slow_one_are_warnings() -> None:
    assert brokers.on_address("a:1", Cluster(0.01, (3, 9), 1, embedded=False)).status == "ok"
    assert brokers.on_address("a:1", Cluster(0.01, (3, 8), 1, embedded=False)).status == "warn"
    assert brokers.on_address("a:1", Cluster(brokers.SLOW_S + 1, (4, 1), 1, embedded=False)).status == "warn"


def test_who_is_not_let_in_is_told_of_variables_and_not_to_start_a_broker() -> None:
    refused = "Kafka at a:1 does not let this client in (bad password): correct $SHADOW_BROKER_SECURITY"
    assert "where this command" in brokers.no_answer("a:1", refused, CONFIG, login=True).remedy
    assert "nc -vz a 1" in brokers.no_answer("a:1", "no answer", CONFIG).remedy


@pytest.mark.parametrize(
    ("ahead_s", "unsure_s", "status"),
    [
        (2.0, 0.0, "ok"),
        (2.5, 0.0, "warn"),
        (-2.5, 0.0, "warn"),
        (2.5, 0.6, "ok"),
        (31, 0.0, "fail"),
        (-31, 0.0, "fail"),
    ],
)
def test_a_clock_is_wrong_only_by_what_is_sure(ahead_s: float, unsure_s: float, status: str) -> None:
    found = clocks.skew("clock x", ahead_s, unsure_s, 30.0)
    assert found.status == status
    assert ("timedatectl" in found.remedy) == (status != "ok")


def test_records_betray_a_brokers_clock_both_ways() -> None:
    def of(written_s: float, stored_s: float) -> str:
        return clocks.of_broker([Stamped("a mirror", written_s, stored_s)], NOW_S, 30.0).says

    assert "5.0 s ahead of this machine's" in of(NOW_S, NOW_S + 5)
    assert "5.0 s behind that of a mirror" in of(NOW_S - 100, NOW_S - 105)
    assert "no record is of the future" in of(NOW_S - 100, NOW_S - 90)
    assert clocks.of_broker([], NOW_S, 30.0).says.startswith("not known")


def facts(**given: object) -> ledgers.LedgerFacts:
    usual = {"where": "x.db", "took_s": 0.01, "schema": "0005", "read_only": "", "size_bytes": 3_400_000}
    return ledgers.LedgerFacts(**usual | {"newest_s": NOW_S - 10, "clock_s": None} | given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({}, ["ok", "ok"], "3 MB"),
        ({"schema": None, "newest_s": None}, ["fail"], "no tables"),
        ({"schema": "0004", "newest_s": None}, ["fail"], "its schema is 0004, this version's is 0005"),
        ({"schema": "0006", "newest_s": None}, ["fail"], "this version knows 0005"),
        ({"read_only": "another process holds its lock"}, ["ok", "fail", "ok"], "lock"),
        ({"newest_s": NOW_S - 601}, ["ok", "warn"], "601 s ago"),
    ],
)
def test_a_ledger_is_judged_by_schema_lock_and_age(given: dict[str, object], status: list[str], says: str) -> None:
    found = ledgers.on_ledger(facts(**given), head="0005", now_s=NOW_S, stale_s=600, shadow="shadow")
    assert [each.status for each in found] == status
    assert says in " ".join(each.says for each in found)
    assert all(each.remedy for each in found if each.status != "ok")


WANTED = processes.Wanted("recorder", "127.0.0.1:29100", "start it: x")


@pytest.mark.parametrize(
    ("served", "status", "says"),
    [
        (processes.Served((), (), "recorder", "1"), "ok", "ready"),
        (processes.Served((), (), "gate", "1"), "fail", "gate serves on"),
        (processes.Served((), (), "", ""), "fail", "no part of Shadow"),
        (processes.Served((), ("joining its consumer group",), "recorder", "1"), "warn", "joining"),
        (processes.Served((), ("ledger: locked",), "recorder", "1"), "fail", "ledger: locked"),
        (processes.Served(("hangs: 61 s",), ("hangs: 61 s",), "recorder", "1"), "fail", "hangs"),
        (processes.Served((), (), "recorder", "1", 90.0, 0.5), "fail", "90.0 s ahead"),
    ],
)
def test_a_process_is_judged_by_its_own_words(served: processes.Served, status: str, says: str) -> None:
    found = processes.on_process(WANTED, served, version="1", limit_s=30.0)
    assert (found[-1].status, says in found[-1].says) == (status, True)


def test_a_process_of_another_version_is_a_warning() -> None:
    found = processes.on_process(WANTED, processes.Served((), (), "recorder", "0"), version="1", limit_s=30.0)
    assert [each.status for each in found] == ["ok", "warn"]


@pytest.mark.parametrize(
    ("status", "found"),
    [(200, "ok"), (404, "ok"), (401, "fail"), (403, "fail"), (429, "warn"), (302, "warn"), (503, "warn")],
)
def test_an_endpoint_is_judged_by_its_status(status: int, found: str) -> None:
    assert endpoints.on_answer("a", "http://m/v1", status, 0.1, "A_KEY").status == found


def test_a_disk_is_judged_by_bytes_and_share() -> None:
    def status(free: float, total: float) -> str:
        return machine.on_disk("ledger", "/x", free=int(free), total=int(total)).status

    assert status(machine.LOW_BYTES, machine.LOW_BYTES / machine.LOW_SHARE) == "ok"
    assert status(machine.LOW_BYTES - 1, machine.LOW_BYTES) == "warn"
    assert status(10e9, 1e12) == "warn"
    assert status(machine.FULL_BYTES - 1, machine.FULL_BYTES) == "fail"


def test_rules_are_the_same_by_name_expression_time_and_labels() -> None:
    document = [{"rules": [{"alert": "A", "expr": "x>1", "for": "1h30m", "labels": {"team": "t"}}]}]
    served = [{"rules": [{"name": "A", "query": "x > 1", "duration": 5400, "labels": {"team": "t"}, "health": "ok"}]}]

    def printed(expression: str) -> str:
        return expression.replace(" ", "")

    wanted = prometheus.generated(document, printed)
    assert prometheus.on_rules(wanted, prometheus.loaded(served, printed), "f", "a")[0].status == "ok"
    for change in ({"query": "x > 2"}, {"duration": 60}, {"labels": {}}):
        other = [{"rules": [served[0]["rules"][0] | change]}]
        [found] = prometheus.on_rules(wanted, prometheus.loaded(other, printed), "f", "a")
        assert "1 are not as generated: A" in found.says
    [found] = prometheus.on_rules(wanted, [], "f", "a")
    assert "1 are not loaded: A" in found.says


def test_a_check_that_hangs_or_breaks_is_a_line_and_holds_up_no_other() -> None:
    released = threading.Event()

    def broken() -> list[Finding]:
        raise RuntimeError("no luck\x1b[2J")

    def hanging() -> list[Finding]:
        released.wait()  # whoever waits for it never ends
        return []

    checks = [
        Check("hangs", hanging, "look at it", 0.3),
        Check("breaks", broken, "mend it", 60),
        Check("works", lambda: [fine("works", "well")], "", 60),
    ]
    found = list(run(checks))
    released.set()
    assert [(each.check, each.status) for each in found] == [("hangs", "fail"), ("breaks", "fail"), ("works", "ok")]
    assert "did not answer within 0.3 s" in found[0].says
    assert "\x1b" not in found[1].says
    assert not healthy(found)


@pytest.mark.parametrize(
    ("status", "said", "found"), [(200, "ok\n", "ok"), (200, "<html>", "fail"), (503, "ok", "fail")]
)
def test_a_console_is_told_from_whatever_else_answers(status: int, said: str, found: str) -> None:
    assert (
        processes.on_console(processes.Wanted("console", "127.0.0.1:29098", "start it"), status, said).status == found
    )
