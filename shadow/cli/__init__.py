"""The ``shadow`` command: thin, no decisions. Exit codes: 0 good, 1 not good, 2 wrong use."""

from shadow.cli.root import main

__all__ = ["main"]
