"""The console: from a panel to the slice to the pair, in a browser. It reads, and decides nothing.

``asked`` checks a request, ``reading`` looks its facts up, ``ranking`` sorts pairs as the guardrail counts them;
``home``, ``pairs`` and ``pair`` are the pages, ``frame`` is what they share, ``server`` serves them.
:mod:`shadow.addresses` has the paths, for whoever makes links.
"""

from shadow.console.server import Server, start

__all__ = ["Server", "start"]
