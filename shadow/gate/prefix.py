"""Would the arm still have been in this conversation? From turn 2 on, the customer has been answering production.

``valid``: the arm agreed with production on all earlier turns (see :mod:`shadow.comparator.prefix`), so what it says to
this one counts. ``broken``: it disagreed on one, so the customer would be somewhere else. ``unknown``: no disagreement
is known, but an earlier turn is missing, or could not be compared.

Derived from all turns of one conversation, arm and revision whenever it is asked for, and never stored: so it is exact
after a restart and in any order. ``shadow.ledger.prefix`` says the same in SQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Literal, get_args

Prefix = Literal["valid", "unknown", "broken"]
PREFIXES: Final[tuple[Prefix, ...]] = get_args(Prefix)
"""The better one first: of several the worst counts."""


def prefixes(turns: Sequence[tuple[int, bool | None]]) -> list[Prefix]:
    """The prefix of each turn, given as ``(turn_index, agreed)``, in the order given, which may be any.

    All turns of one conversation, arm and revision. Turns with one index are not earlier than each other.
    """
    if all(agreed and index == at for at, (index, agreed) in enumerate(turns)):
        return ["valid"] * len(turns)  # most conversations: each turn once, in order, and nobody disagreed
    by_index: defaultdict[int, list[bool | None]] = defaultdict(list)
    for index, agreed in turns:
        by_index[index].append(agreed)
    found: dict[int, Prefix] = {}
    broken = unknown = False
    for present, index in enumerate(sorted(by_index)):
        unknown |= present != index  # of the indexes 0 .. index - 1 one is missing
        found[index] = "broken" if broken else "unknown" if unknown else "valid"
        broken |= False in by_index[index]
        unknown |= None in by_index[index]
    return [found[index] for index, _ in turns]


def of_both(candidate: Prefix, control: Prefix | None) -> Prefix:
    """The prefix of a pair of arms on one turn: the worse of the two; None: the control was not asked, or shed.

    Both must hold, or equal arms would seem to differ: an arm's later turns resemble its earlier ones, and one arm
    would be picked by its own agreement, the other by nobody's.
    """
    return max(candidate, control, key=PREFIXES.index) if control else candidate
