"""The control topic as each mirror sees it: is its arm paused or killed? Read in full before the first turn is sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from consumers.stream import caught_up
from shadow.broker import security
from shadow.config import Config
from shadow.control import Command, State
from shadow.topology import CONTROL

log = structlog.get_logger()


class ControlReader:
    """Follows ``shadow.control`` without a group: every process reads all of it; calls ``changed`` on each change."""

    def __init__(self, config: Config, arm: str, changed: Callable[[Command], None]) -> None:
        self._arm = arm
        self._changed = changed
        self._tp = TopicPartition(CONTROL, 0)
        self.state: State = "running"
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=config.broker.bootstrap,
            **security(os.environ),
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
        )

    async def start(self) -> None:
        """Connect and read the commands given so far."""
        await self._consumer.start()
        self._consumer.assign([self._tp])
        await self._consumer.seek_to_beginning(self._tp)
        while not await caught_up(self._consumer, self._tp):
            await self._read()

    async def follow(self) -> None:
        """Read on, until stopped."""
        while True:
            try:
                await self._read()
            except ConsumerStoppedError:
                return
            except KafkaError as error:
                log.warning("control_not_readable", error=repr(error))
                await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def _read(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=200)).values():
            for record in records:
                self._apply(record)

    def _apply(self, record: Any) -> None:
        if record.key != self._arm.encode():
            return
        try:
            command = Command.model_validate_json(record.value or b"")
        except ValueError as error:
            log.warning("control_record_broken", offset=record.offset, error=str(error)[:200])
            return
        if command.state != self.state:
            log.info("control", arm=self._arm, state=command.state, by=command.by, reason=command.reason)
            self.state = command.state
            self._changed(command)
