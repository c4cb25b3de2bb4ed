"""The goals of the gate, each with what was measured. Several numbers in a line: ICC 0, 0.1, 0.2, 0.3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shadow.gate.plan import conversations_needed
from tests.statistics.catalogue import BASE, BASES, CORRELATIONS, CYCLES, HORIZON, ICC, MARGIN
from tests.statistics.figures import Figure, mean_over, median, over, share
from tests.statistics.population import Population
from tests.statistics.scenario import ALPHA, LAGS, STRICT, Result

Results = Mapping[str, Result]
LIMIT_TIMES = 1.3
FIXED_TIMES = 1.1
EXPIRES_AFTER = 4
"""Times the planned number of conversations: the usual ``max_conversations``."""


def figures(results: Results) -> Iterator[Figure]:
    """All that the simulations say; needs every scenario of the catalogue."""
    for part in (errors, informative, times, doubled, many, delayed, days, budgets, same, hidden):
        yield from part(results)


def errors(results: Results) -> Iterator[Figure]:
    """G1, and the same for REJECT."""
    for base, margin in BASES.items():
        edges = [results[f"edge {base} {icc}"] for icc in CORRELATIONS]
        where = f"{base:.1%} against {base + margin:.1%}, the margin"
        yield Figure("G1", f"{where}: promoted", tuple(share(each["promote"]) for each in edges), at_most=ALPHA)
        for leg, name in (("leg_conversation", "per conversation"), ("leg_turn", "per turn")):
            yield Figure("G1", f"{where}: {name} alone", tuple(share(each[leg]) for each in edges), at_most=ALPHA)
        yield Figure("G1", f"{where}: rejected", tuple(share(each["reject"]) for each in edges), at_most=ALPHA)


def informative(results: Results) -> Iterator[Figure]:
    """Harm that sits in long conversations."""
    found = results["informative"]
    what = "harm in long conversations, at the margin per turn"
    yield Figure("G1", f"{what}: promoted", (share(found["promote"]),), at_most=ALPHA)
    yield Figure("", f"{what}: per conversation alone", (share(found["leg_conversation"]),))
    mixed = results["at once informative"]
    yield Figure("", f"{what}: promoted, were the short ones not the first to close", (share(mixed["promote"]),))


def times(results: Results) -> Iterator[Figure]:
    """G2 and G3."""
    for base, margin in BASES.items():
        means, medians, closed = [], [], []
        for icc in CORRELATIONS:
            found, equal = results[f"equal {base} {icc}"], Population(base, base, icc)
            promoted, conversations = found["promote"], median(found["promote_conversations"], "conversations")
            means.append(mean_over(promoted, HORIZON[base], equal.limit_turns(margin, ALPHA)))
            medians.append(over(median(promoted), equal.fixed_turns(margin)))
            closed.append(over(conversations, equal.fixed_conversations(margin)))
        yield Figure("G2", f"{base:.1%}, equal: mean turns over the limit", tuple(means), at_most=LIMIT_TIMES)
        what = f"{base:.1%}, equal: median closed conversations over a fixed test's"
        if base == BASE:
            yield Figure("G3", f"{what}, ICC 0.1 to 0.3", tuple(closed[1:]), at_most=FIXED_TIMES)
            yield Figure("", f"{what}, ICC 0", (closed[0],))
        else:
            yield Figure("", what, tuple(closed))
        what = f"{base:.1%}, equal: median production turns over a fixed test's that waits for no conversation's end"
        yield Figure("", what, tuple(medians))


def doubled(results: Results) -> Iterator[Figure]:
    """G4."""
    found = results["league 0.02 0.2"]
    yield Figure("G4", "2 % to 4 %: promoted", (share(found["promote"]),), at_most=0.002)
    yield Figure("G4", "2 % to 4 %: rejected in 20,000 turns", (share(found["reject"]),), at_least=0.95)
    yield Figure("G4", "2 % to 4 %: median turns to REJECT", (median(found["reject"]),), at_most=5_000)


def many(results: Results) -> Iterator[Figure]:
    """G5 and G6."""
    thirty = results["grid thirty at the margin"]
    yield Figure("G5", "30 cells, all at the margin: rejected", (share(thirty["reject"]),), at_most=ALPHA)
    yield Figure("", "30 cells, all at the margin: any e-value at 1/alpha", (share(thirty["uncorrected"]),))
    gate = results["grid gate at the margin"]
    yield Figure("G5", "14 cells, all metrics at the margin: rejected", (share(gate["reject"]),), at_most=ALPHA)
    yield Figure("G5", "14 cells, all metrics at the margin: promoted", (share(gate["promote"]),), at_most=ALPHA)
    three = results["grid gate, slice +3 pp"]
    what = "+3 pp in a 10 % slice"
    yield Figure(
        "G6", f"{what}, 14 cells (the slice's margin is 3 pp): promoted", (share(three["promote"]),), at_most=ALPHA
    )
    yield Figure("", f"{what}: promoted without slices", (share(three["overall_alone"]),))
    equal = results["grid thirty, slice +3 pp"]
    yield Figure(
        "G6", f"{what}, slice margin 1 pp: rejected in 120,000 turns", (share(equal["reject"]),), at_least=0.95
    )
    yield Figure("", f"{what}, slice margin 1 pp: median turns to REJECT", (median(equal["reject"]),))
    six = results["grid gate, slice +6 pp"]
    what = "+6 pp in a 10 % slice, 14 cells"
    yield Figure("G6", f"{what}: promoted", (share(six["promote"]),), at_most=ALPHA)
    yield Figure("G6", f"{what}: rejected in 60,000 turns", (share(six["reject"]),), at_least=0.95)
    yield Figure("", f"{what}: median turns to REJECT", (median(six["reject"]),))
    yield Figure("G6", f"{what}: the slice is named", (share(six["culprit"]),), at_least=0.95)
    yield Figure("G6", f"{what}: another cell is named at REJECT", (share(six["innocent"]),), at_most=ALPHA)
    calm = results["grid gate, equal"]
    yield Figure("G6", "equal, 14 cells: promoted in 60,000 turns", (share(calm["promote"]),), at_least=0.99)
    yield Figure("", "equal, 14 cells: median turns to PROMOTE", (median(calm["promote"]),))


def delayed(results: Results) -> Iterator[Figure]:
    """G7."""
    found = results["late"]
    what = "at the margin, failures up to 1,000 turns late"
    yield Figure("G7", f"{what}: promoted", (share(found["promote"]),), at_most=ALPHA)
    lags = tuple(share(found[f"on_arrival_{lag}"]) for lag in LAGS)
    yield Figure("", f"counted on arrival, {', '.join(map(str, LAGS))} turns late: promoted", lags)


def days(results: Results) -> Iterator[Figure]:
    """G8."""
    for cycle in CYCLES:
        night, calm = results[f"night {cycle}"], results[f"calm {cycle}"]
        what = f"{cycle:,} turns a day, equal by day, +4 pp at night"
        yield Figure("G8", f"{what}: promoted", (share(night["promote"]),), at_most=ALPHA)
        yield Figure("", f"{what}: promoted without cycles", (share(night["no_cycle"]),))
        yield Figure("", f"{what}: promoted, legs latched within a day", (share(night["latched_within"]),))
        yield Figure("", f"{cycle:,} turns a day, equal: promoted", (share(calm["promote"]),))
        yield Figure("", f"{cycle:,} turns a day, equal: median", (median(calm["promote"]),))


def budgets(results: Results) -> Iterator[Figure]:
    """G9: what is simulated of it."""
    edge, half = results["budget edge"], results["budget half"]
    what = "events in 0.1 % of conversations, the budget"
    yield Figure("G9", f"{what}: certified in 40,000", (share(edge["certify"]),), at_most=ALPHA)
    yield Figure("", f"{what}: certified by Clopper-Pearson, peeked", (share(edge["clopper_pearson"]),))
    yield Figure("G9", f"{what}: rejected in 40,000", (share(edge["reject"]),), at_most=STRICT)
    yield Figure("", "half the budget: certified in 40,000", (share(half["certify"]),))
    yield Figure("", "half the budget: median", (median(half["certify"], "conversations"),))


def same(results: Results) -> Iterator[Figure]:
    """G11."""
    equal = Population(BASE, BASE, ICC)
    needed = conversations_needed(equal.bets(MARGIN), equal.control(), alpha=ALPHA, side="promote")
    if needed is None:
        raise AssertionError("an equal candidate needs a finite number of conversations")
    expires = EXPIRES_AFTER * needed * equal.mean_turns()
    promoted = results[f"equal {BASE} {ICC}"]["promote"]
    what = f"equal, 2 %: promoted before it expires ({expires:,.0f} turns)"
    yield Figure("G11", what, (share(promoted, by=expires),), at_least=0.99)
    quiet = results["sentinel same"]
    yield Figure("G11", "sentinel over 100,000 turns, A/A: alarm", (share(quiet["alarm"]),), at_most=STRICT)
    yield Figure("G11", "REJECT at margin 0, A/A: fires", (share(quiet["reject_at_0"]),), at_most=ALPHA)
    for bias, name in (("1 pp", "biased"), ("0.5 pp", "half biased")):
        found = results[f"sentinel {name}"]["alarm"]
        what = f"control fails {bias} more: alarm within 100,000 turns"
        yield Figure("G11", what, (share(found),), at_least=0.95)
        yield Figure("", f"control fails {bias} more: median", (median(found, "conversations"),))


def hidden(results: Results) -> Iterator[Figure]:
    """P8: a slice falls 80 -> 55 % inside 92 -> 89 %."""
    found = results["hidden slice"]
    what = "80 to 55 % in a 12 % slice, 92 to 89 % overall"
    yield Figure("P8", f"{what}: promoted", (share(found["promote"]),), at_most=0.002)
    yield Figure("P8", f"{what}: rejected in 20,000 turns", (share(found["reject"]),), at_least=0.95)
    yield Figure("P8", f"{what}: the slice is named", (share(found["culprit"]),), at_least=0.95)
    yield Figure("P8", f"{what}: another cell is named at REJECT", (share(found["innocent"]),), at_most=ALPHA)
    yield Figure("", f"{what}: median turns to REJECT", (median(found["reject"]),))
    yield Figure("", f"{what}: promoted without slices", (share(found["overall_alone"]),))
