"""Runs the judge: reads comparisons, asks about the sampled pairs, writes one verdict each to ``shadow.judgements``.

Nobody waits for it: comparisons are in the ledger before it is asked. A verdict is an outcome record, stored by the
recorder once by its id. The words come from the three records that a comparison names.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from mode import Service

from consumers.acks import OffsetTracker
from consumers.health import Health
from consumers.records import Records
from consumers.stream import Batch, Stream
from shadow.adapters import Adapter
from shadow.asking import Asker
from shadow.config import JUDGE, Config, Judge
from shadow.events import BrokenRecordError, Comparison, Outcome, Reply, Turn, decode
from shadow.gate.settings import JUDGE_SAME, JUDGE_WORSE
from shadow.judging import IDENTICAL, Bench, Ruling
from shadow.measures import Pair
from shadow.measures.judge import PROMPT_VERSION
from shadow.metrics.exporter import Metrics
from shadow.mirror.admission import Admission
from shadow.mirror.sampling import position
from shadow.topology import ARM_REPLIES, COMPARISONS, JUDGE_GROUP, JUDGEMENTS, REPLIES, TURNS

log = structlog.get_logger()

VERDICT: Final = "judge_verdict"
FORGOTTEN: Final = "forgotten"
GRACE_S: Final = 5.0
HOUR_S: Final = 3_600.0
PAUSE_S: Final = 0.5


@dataclass(slots=True)
class _Partition:
    """One partition of comparisons, and what was judged of it before."""

    number: int
    acks: OffsetTracker | None = None
    judged: set[str] = field(default_factory=set)
    recovered: bool = False


class JudgeService(Service):  # type: ignore[misc]
    """The judge's one service. A verdict that cannot be written ends the process: its restart finds the pair again."""

    def __init__(self, config: Config, metrics: Metrics, health: Health, judge: Judge, adapter: Adapter) -> None:
        super().__init__()
        self._config, self._metrics, self._health, self._judge = config, metrics, health, judge
        self._revision = f"{judge.arm.revision}.{PROMPT_VERSION}"
        self._admission = Admission(judge.arm.limits, partitions=config.broker.partitions)
        self._asker = Asker(judge.arm, adapter, self._admission.breaker, metrics)
        self._bench = Bench(judge, self._asker.ask)
        self._partitions: dict[int, _Partition] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._stream: Stream
        self._records: Records

    async def on_start(self) -> None:
        """Join the group."""
        self._records = Records(self._config.broker.bootstrap)
        self._stream = Stream(
            self._config,
            group=JUDGE_GROUP,
            topics=(COMPARISONS,),
            gained=self._gained,
            losing=self._losing,
            health=self._health,
            metrics=self._metrics,
        )
        await self._records.start()
        await self._stream.start()
        self.add_future(self._stream.watch())

    async def on_stop(self) -> None:
        """Finish what is under way within the grace, commit, leave the group."""
        await self._stream.stop()
        await self._records.stop()
        await self._asker.close()

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        while not self.should_stop:
            self._health.turned()  # it may wait for its breaker without reading on
            if len(self._under_way) >= self._judge.max_in_flight:
                await asyncio.wait(self._under_way, timeout=PAUSE_S, return_when=asyncio.FIRST_COMPLETED)
            async with self._stream.lock:
                if self._stream.commit_due():
                    await self._commit()
            room = self._judge.max_in_flight - len(self._under_way)
            if room <= 0:
                continue
            epoch, batch = await self._stream.read(max_records=room)
            async with self._stream.lock:
                await self._take(await self._stream.mine(epoch, batch))

    async def _take(self, batch: Batch) -> None:
        for part in self._partitions.values():
            await self._recover(part)
        for tp, records in batch.items():
            part = self._partitions[tp.partition]
            for record in records:
                part.acks = part.acks or OffsetTracker(record.offset)
                part.acks.read(record.offset)
                row = self._wanted(part, record)
                if row is None:
                    part.acks.done(record.offset)
                    continue
                task = asyncio.create_task(self._one(part, row, record.offset))
                self._under_way.add(task)
                task.add_done_callback(self._ended)

    def _wanted(self, part: _Partition, record: Any) -> Comparison | None:
        """The comparison, if it is of two replies, sampled, and not judged yet. Broken ones are the recorder's."""
        try:
            row = decode(Comparison, record.value, record.key)
        except BrokenRecordError:
            return None
        sampling = self._judge.sampling
        sampled = sampling.rate >= 1 or position(row.conversation_id, sampling.salt) < sampling.rate
        if row.outcome != "compared" or not sampled or self._identity(row) in part.judged:
            return None
        part.judged.add(self._identity(row))
        return row

    async def _one(self, part: _Partition, row: Comparison, offset: int) -> None:
        """1. May it be asked? 2. Fetch the words. 3. Ask. 4. Write the verdict. 5. The comparison is done."""
        reason = await self._let_through()
        if reason is not None:
            ruling = Ruling(None, reason)
        else:
            pair = await self._pair(row)
            ruling = Ruling(None, FORGOTTEN) if pair is None else await self._bench.rule(pair)
        self._admission.budget.spend(part.number, ruling.cost_usd, time.time())
        await self._write(part, row, ruling)
        assert part.acks is not None  # noqa: S101 (its comparison has been read)
        part.acks.done(offset)

    async def _let_through(self) -> str | None:
        """None as soon as it may be asked, or why not. Nobody waits for the judge, so it can wait for its breaker."""
        while True:
            reason = self._admission.decide(paused=False, turn_bytes=0, age_s=0.0, now_s=time.time())
            if reason != "breaker":
                return reason
            await asyncio.sleep(PAUSE_S)

    async def _pair(self, row: Comparison) -> Pair | None:
        turn = await self._records.one(TURNS, row.turn_ref, Turn)
        production = await self._records.one(REPLIES, row.production_ref, Reply)
        arm = await self._records.one(ARM_REPLIES, row.candidate_ref, Reply)
        if turn is None or production is None or arm is None:
            return None
        if {turn.turn_id, production.turn_id, arm.turn_id} != {row.turn_id} or arm.arm != row.arm:
            return None  # the broker is not the one it was
        if production.message is None or arm.message is None:
            return None
        return Pair(turn, production.message, arm.message)

    async def _write(self, part: _Partition, row: Comparison, ruling: Ruling) -> None:
        judged = ruling.judged
        verdict = judged.preference if judged else str(ruling.reason)
        detail = f"judge {self._revision}"
        if judged:
            detail += f"; production as A: {judged.forward}, as B: {judged.backward}"
        values: dict[str, float | str] = {} if judged is None else {JUDGE_WORSE: judged.score.value or 0.0}
        if ruling.reason == IDENTICAL:
            values[JUDGE_SAME] = 0.0
        values[VERDICT] = verdict  # last: it says that the pair is done with
        for name, value in values.items():
            outcome = Outcome(
                outcome_id=f"{self._identity(row)}:{name}",
                turn_id=row.turn_id,
                conversation_id=row.conversation_id,
                arm=row.arm,
                arm_revision=row.arm_revision,
                name=name,
                value=value,
                occurred_at=time.time(),
                cost_usd=ruling.cost_usd if name == VERDICT else None,
                detail=detail,
            )
            key = row.conversation_id.encode()
            await self._stream.producer.send_and_wait(JUDGEMENTS, outcome.to_json(), key=key, partition=part.number)
        self._metrics.counter("shadow_judge_verdicts", row.arm, verdict).inc()

    def _identity(self, row: Comparison) -> str:
        """Of a verdict: the comparison, and by which judge."""
        key = f"{row.turn_id}\0{row.arm}\0{row.arm_revision}\0{self._revision}"
        return f"{JUDGE}:{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"

    async def _recover(self, part: _Partition) -> None:
        """Learn from the verdicts of today and of the last hour what was judged and spent before."""
        if part.recovered:
            return
        now_s = time.time()
        for record in await self._records.since(JUDGEMENTS, part.number, min(now_s - now_s % 86_400, now_s - HOUR_S)):
            try:
                outcome = decode(Outcome, record.value, record.key)
            except BrokenRecordError:
                continue
            if outcome.name == VERDICT:
                part.judged.add(outcome.outcome_id.removesuffix(f":{VERDICT}"))
                self._admission.budget.spend(part.number, outcome.cost_usd or 0.0, outcome.occurred_at)
        part.recovered = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("judge_failed", error=repr(error))
            self.add_future(self.crash(error))

    async def _commit(self) -> None:
        positions = {
            TopicPartition(COMPARISONS, part.number): part.acks.position
            for part in self._partitions.values()
            if part.acks is not None
        }
        await self._stream.commit(positions)

    async def _gained(self, partitions: set[int]) -> None:
        self._partitions = {number: _Partition(number) for number in partitions}
        for number in partitions:
            self._admission.budget.own(number)

    async def _losing(self, partitions: set[int]) -> None:
        """Questions under way get a short grace; what is not written then, the next owner asks again."""
        if self._under_way:
            await asyncio.wait(list(self._under_way), timeout=GRACE_S)
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._commit()
        for number in partitions:
            self._admission.budget.disown(number)
        self._partitions = {}
