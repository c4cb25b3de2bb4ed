"""A candidate over history: the same calls, comparisons, ledger rows and gate as live, and a verdict at the end.

What a line of history says (``lines``), the conversations that lines make (``cases``), what time it is in a backtest
and by which gate it is judged (``clock``), what it may cost (``budget``) and the ledger's rows (``rows``) are pure.
``history`` reads the files, ``journal`` keeps what was answered, ``work`` says where both lie, and ``run`` asks.

Raises::

    BacktestError   what the user can put right, in one line
    LineError       one line of history that cannot be used: field, what, fix
"""

from shadow.backtest.lines import BacktestError, LineError

__all__ = ["BacktestError", "LineError"]
