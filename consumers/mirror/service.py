"""Runs one arm's mirror: reads turns, asks the arm, writes exactly one reply record per sampled turn."""

from __future__ import annotations

from typing import Final

import structlog
from aiokafka import TopicPartition
from mode import Service

from consumers.control import ControlReader
from consumers.counts import introduce
from consumers.health import Health
from consumers.mirror.asking import Asking
from consumers.mirror.look_back import LookBack
from consumers.mirror.partition import Partition
from consumers.mirror.replies import Replies
from consumers.stream import Batch, Stream
from shadow.adapters import Adapter
from shadow.asking import Asker
from shadow.config import Arm, Config
from shadow.control import Command
from shadow.metrics.exporter import Metrics
from shadow.mirror.admission import Admission
from shadow.topology import ARM_REPLIES, TURNS, mirror_group

log = structlog.get_logger()

GRACE_S: Final = 5.0
"""How long calls under way may go on when their partitions are taken away."""


class Mirror(Service):  # type: ignore[misc]
    """One arm's mirror. A reply that cannot be written ends the process: its restart finds the turn again."""

    def __init__(self, config: Config, metrics: Metrics, health: Health, arm: Arm, adapter: Adapter) -> None:
        super().__init__()
        self._config = config
        self._metrics = metrics
        self._health = health
        self._arm = arm
        self._admission = Admission(arm.limits, partitions=config.broker.partitions)
        self._asker = Asker(arm, adapter, self._admission.breaker, metrics)
        self._partitions: dict[int, Partition] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._stream: Stream
        self._control: ControlReader
        self._replies: Replies
        self._look_back: LookBack
        self._asking: Asking

    async def on_start(self) -> None:
        """Read the control topic, then join the arm's own group."""
        self._stream = Stream(
            self._config,
            group=mirror_group(self._arm.name),
            topics=(TURNS, ARM_REPLIES),
            gained=self._gained,
            losing=self._losing,
            health=self._health,
            metrics=self._metrics,
            follows=(TURNS,),
        )
        self._control = ControlReader(self._config, self._arm.name, self._commanded)
        self._furnish()
        self._introduce()
        self._health.check(self._look_back.why_not_ready)
        await self._stream.start()
        await self._control.start()
        self.add_future(self._control.follow())
        self.add_future(self._stream.watch())

    def _furnish(self) -> None:
        budget = self._admission.budget
        self._replies = Replies(self._arm, budget, self._stream, self._die)
        self._look_back = LookBack(self._arm, budget, self._stream, self._partitions)
        self._asking = Asking(
            self._arm,
            self._asker,
            self._admission,
            self._replies,
            metrics=self._metrics,
            may_begin=self._look_back.known,
            paused=lambda: self._control.state != "running",
            failed=self._die,
        )

    def _introduce(self) -> None:
        """Everything that is counted begins at 0, and what is fixed is said once."""
        name, limits = self._arm.name, self._arm.limits
        self._metrics.prepare("shadow_mirror_records", name)
        self._metrics.gauge("shadow_stage_queue_capacity_events", "ask").set(self._asking.capacity)
        if limits.usd_per_day is not None:
            self._metrics.gauge("shadow_candidate_budget_usd", name).set(limits.usd_per_day)
        introduce(self._arm, self._metrics)

    async def on_stop(self) -> None:
        """Finish what is under way within the grace, commit, leave the group."""
        await self._stream.stop()
        await self._control.stop()
        await self._asker.close()

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        while not self.should_stop:
            async with self._stream.lock:
                await self._look_back.proceed()
                self._asking.pump()
                if self._stream.commit_due():
                    await self._commit()
                    self._gauges()
            room = self._asking.room
            if room <= 0:
                await self._asking.moved(0.1)
                continue
            epoch, batch = await self._stream.read(max_records=room, timeout_ms=20 if self._asking.under_way else 100)
            async with self._stream.lock:
                self._take(await self._stream.mine(epoch, batch))

    def _take(self, batch: Batch) -> None:
        """Queue the sampled turns of a batch; learn from replies of this arm that were written before a restart."""
        for tp, records in batch.items():
            part = self._partitions[tp.partition]
            for record in records:
                if tp.topic == ARM_REPLIES:
                    self._look_back.learn(part, record)
                else:
                    self._asking.offer(part, record)

    def _die(self, error: BaseException) -> None:
        log.error("mirror_failed", arm=self._arm.name, error=repr(error))
        self.add_future(self.crash(error))

    async def _commit(self) -> None:
        positions = {
            tp: at for part in self._partitions.values() if part.recovered for tp, at in part.positions().items()
        }
        if any(self._committed.get(tp) != at for tp, at in positions.items()) and await self._stream.commit(positions):
            self._committed = positions
        await self._stream.look({tp: at for tp, at in positions.items() if tp.topic == TURNS})

    async def _gained(self, partitions: set[int]) -> None:
        self._partitions.clear()
        self._partitions.update({number: Partition(number) for number in partitions})
        for part in self._partitions.values():
            self._stream.consumer.pause(part.turns, part.replies)
            self._admission.budget.own(part.number)

    async def _losing(self, partitions: set[int]) -> None:
        """Nothing stays under way: calls get a short grace, replies are written, what is done is committed."""
        await self._asking.let_go(GRACE_S)
        await self._replies.settle()
        await self._commit()
        for number in partitions:
            self._admission.budget.disown(number)
        self._partitions.clear()
        self._committed = {}

    def _commanded(self, command: Command) -> None:
        if command.state == "killed":
            for item in self._asking.stop_calls():
                self.add_future(self._replies.write(item, shed="paused", attempts=1))
        self._asking.stir()

    def _gauges(self) -> None:
        name = self._arm.name
        self._metrics.gauge("shadow_stage_queue_events", "ask").set(self._asking.waiting)
        self._metrics.gauge("shadow_candidate_inflight_requests", name).set(self._asking.under_way)
        self._metrics.gauge("shadow_candidate_circuit_open", name).set(self._admission.breaker.open)
        self._metrics.gauge("shadow_candidate_paused", name).set(self._control.state != "running")
