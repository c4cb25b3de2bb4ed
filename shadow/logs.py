"""How Shadow's processes log: structlog, one line per event; console for people, JSON for machines.

``SHADOW_LOG_FORMAT`` (``console`` or ``json``; default: console on a terminal) and ``SHADOW_LOG_LEVEL`` (default info).
"""

from __future__ import annotations

import logging
import os
import sys

import structlog

FORMATS = ("console", "json")


def configure(process: str) -> None:
    """Set up logging for this process; every line carries ``process``. Standard-library logs go the same way."""
    chosen = os.environ.get("SHADOW_LOG_FORMAT") or ("console" if sys.stderr.isatty() else "json")
    level = logging.getLevelNamesMapping().get(os.environ.get("SHADOW_LOG_LEVEL", "info").upper(), logging.INFO)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if chosen == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.contextvars.bind_contextvars(process=process)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),  # a line is one write: many share a terminal
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("kafka").propagate = False  # each lost connection is an error to it; we say it once
