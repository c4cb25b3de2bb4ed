"""The broker: does it answer, are the topics as the topology wants them, do the groups keep up?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shadow.config import Config
from shadow.doctor.finding import Finding, failed, fine, warned
from shadow.health import BEHIND_S
from shadow.topology import (
    ARM_REPLIES,
    COMPARATOR_GROUP,
    COMPARISONS,
    JUDGE_GROUP,
    JUDGEMENTS,
    OUTCOMES,
    RECORDER_GROUP,
    REPLIES,
    TOPOLOGY,
    TURNS,
    Topic,
    mirror_group,
)

SLOW_S: Final = 2.0
"""A metadata request that takes longer is worth a word: it takes milliseconds."""

LATE_S: Final = 300.0
"""A group that is so far behind fails; the alert ``ShadowLagGrowing`` fires there too."""

OLDEST: Final = (3, 9)
"""Of Kafka, what the shadow is tried with."""

WITHOUT_MEMBERS: Final = frozenset({"Empty", "Dead"})


@dataclass(frozen=True, slots=True)
class Cluster:
    """What an address says of itself; ``speaks`` is the Kafka version by its protocol."""

    took_s: float
    speaks: tuple[int, ...]
    brokers: int
    embedded: bool


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as it stands; replicas are those of its worst partition."""

    partitions: int
    replicas: int
    in_sync: int
    leaderless: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """Where a group stands; ``oldest_s``: since when, by the broker, the oldest unread record has been there.

    ``state`` is Kafka's word; None: it knows no such group. ``Unknown``, as the embedded broker always says: not told.
    """

    unread: int
    oldest_s: float | None
    state: str | None


def groups(config: Config) -> dict[str, tuple[str, ...]]:
    """Every consumer group that the configuration wants, and the topics that it must read to their end."""
    wanted: dict[str, tuple[str, ...]] = {mirror_group(arm.name): (TURNS,) for arm in config.arms}
    wanted |= {COMPARATOR_GROUP: (TURNS, REPLIES, ARM_REPLIES), RECORDER_GROUP: (COMPARISONS, OUTCOMES, JUDGEMENTS)}
    return wanted | ({JUDGE_GROUP: (COMPARISONS,)} if config.judge else {})


def on_address(address: str, found: Cluster) -> Finding:
    """Whether what answers there will do."""
    check, version = f"broker {address}", ".".join(map(str, found.speaks))
    what = "the embedded broker (memory only)" if found.embedded else f"Kafka {version} by its protocol"
    says = f"{what}, {found.brokers} broker{'s' if found.brokers > 1 else ''}, answered in {1000 * found.took_s:.0f} ms"
    if not found.embedded and found.speaks < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return warned(check, f"{says}; the shadow is tried with {wanted} and later", f"upgrade Kafka to {wanted}")
    if found.took_s > SLOW_S:
        return warned(check, says, "look at the broker's load and at the network between")
    return fine(check, says)


def no_answer(address: str, why: str, config: Config, *, login: bool = False) -> Finding:
    """Nobody answers there, for that reason; ``login``: this client is not let in, and it names the variables."""
    if login:
        return failed(f"broker {address}", why, "set them where this command and each process is started")
    remedy = (
        "start it: `shadow up` (all parts) or `shadow broker`"
        if config.broker.embedded
        else f"start Kafka at {address}, open the way to it, or correct broker.url (or $SHADOW_BROKER_URL); "
        f"is its port reached? `nc -vz {address.replace(':', ' ')}`"
    )
    return failed(f"broker {address}", why, remedy)


def on_topics(config: Config, found: Mapping[str, TopicFacts], shadow: str) -> list[Finding]:
    """Whether each topic is there as the topology wants it; ``shadow`` is how the command is called."""
    findings = [each for topic in TOPOLOGY for each in _topic(config, topic, found.get(topic.name), shadow)]
    return findings or [fine("topics", f"{len(TOPOLOGY)} topics as the topology wants them")]


def _topic(config: Config, topic: Topic, found: TopicFacts | None, shadow: str) -> Iterator[Finding]:
    check, wants = f"topic {topic.name}", topic.partitions or config.broker.partitions
    if found is None:
        yield failed(check, "is not there", f"`{shadow} topics` creates what is missing")
        return
    if found.partitions != wants:
        yield failed(
            check,
            f"has {found.partitions} partitions, and {wants} are wanted",
            _repartition(topic, found, shadow),
        )
    if found.leaderless:
        yield failed(check, f"{found.leaderless} partitions have no leader", "start the brokers that hold them")
    elif found.in_sync < found.replicas:
        yield warned(
            check,
            f"a partition has {found.in_sync} of {found.replicas} replicas in step",
            "start the broker that is away",
        )
    if found.replicas < config.broker.replication:
        yield warned(
            check,
            f"has {found.replicas} replicas, and broker.replication is {config.broker.replication}",
            "`kafka-reassign-partitions.sh --execute` with a plan that names more brokers, or lower broker.replication",
        )
    yield from _settings(config, topic, found)


def _repartition(topic: Topic, found: TopicFacts, shadow: str) -> str:
    delete = f"before traffic flows: delete it and run `{shadow} topics`"
    if topic.partitions is not None:
        return delete
    return f"set broker.partitions to {found.partitions} if all topics have so many; or, {delete}"


def _settings(config: Config, topic: Topic, found: TopicFacts) -> Iterator[Finding]:
    """A setting that cannot be read (a broker need not tell) is no finding."""
    address = config.broker.bootstrap[0]
    for name, wants in topic.configs().items():
        has = found.settings.get(name)
        if has is None or has == wants or (wants.isdecimal() and _at_least(has, int(wants))):
            continue
        command = (
            f"kafka-configs.sh --bootstrap-server {address} --alter --entity-type topics "
            f"--entity-name {topic.name} --add-config {name}={wants}"
        )
        breaks = name in {"message.timestamp.type", "cleanup.policy"}
        finding = failed if breaks else warned
        yield finding(f"topic {topic.name}", f"{name} is {has}, and {wants} is wanted", f"`{command}`")


def _at_least(has: str, wants: int) -> bool:
    """-1 is Kafka's word for no limit."""
    return has == "-1" or (has.isdecimal() and int(has) >= wants)


def on_groups(found: Mapping[str, GroupFacts], now_s: float) -> list[Finding]:
    """Whether each group has members and keeps up, by what the broker says."""
    return [_group(name, facts, now_s) for name, facts in found.items()]


def _group(name: str, found: GroupFacts, now_s: float) -> Finding:
    check = f"group {name}"
    start = f"start it: `python -m consumers {_consumer(name)}`, or all parts: `shadow up`"
    alone = found.state is None or found.state in WITHOUT_MEMBERS
    behind_s = 0.0 if found.oldest_s is None else max(0.0, now_s - found.oldest_s)
    unread = f"{found.unread} records unread" + (f", the oldest for {behind_s:.0f} s" if found.unread else "")
    if alone:
        says = f"has no members ({found.state or 'never had any'}), {unread}"
        return failed(check, says, start) if found.unread else warned(check, says, start)
    more = "does it run? see its own line here; then start more of it, as far as there are partitions"
    if behind_s > LATE_S:
        return failed(check, unread, more)
    return warned(check, unread, more) if behind_s > BEHIND_S else fine(check, unread)


def _consumer(group: str) -> str:
    name = group.removeprefix("shadow.")
    arm = name.removeprefix("mirror.")
    return name if arm == name else f"mirror --arm {arm}"
