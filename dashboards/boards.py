"""All dashboards."""

from __future__ import annotations

from typing import Final

from dashboards import candidate, compare, decisions, exporter, fleet, objectives, pipeline, slices
from dashboards.panels import Board

BOARDS: Final[tuple[Board, ...]] = (
    fleet.BOARD,
    candidate.BOARD,
    slices.BOARD,
    compare.BOARD,
    pipeline.BOARD,
    objectives.BOARD,
    decisions.BOARD,
    exporter.BOARD,
)
