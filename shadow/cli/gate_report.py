"""What ``shadow gate`` prints of a report: its verdict in words, its cells as a table, what its evidence covers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from rich.table import Table

from shadow.config import Arm

MOST_REASONS: Final = 6
"""Lines of reasons that ``status`` prints."""

HOUR_S: Final = 3_600

SAID: Final = {"PROMOTE": "may replace production", "HOLD": "not yet", "REJECT": "must not replace production"}


def plan_lines(found: dict[str, Any]) -> Iterator[str]:
    """A plan in words."""
    if found["conversations"] is None:
        yield f"{found['candidate']}: nothing can be foretold without conversations of the control arm"
    else:
        usd = "unknown cost" if found["usd"] is None else f"{found['usd']:,.2f} USD"
        least = "at least " if found["unknown"] else ""
        more = f"{least}about {found['conversations']:,} conversations more, {found['turns']:,} turns, {usd}"
        yield f"{found['candidate']}: {more}; judged from {found['from']}"
    if found["cycle_s"]:
        yield f"  promotions wait for the end of a cycle of traffic, every {_duration(found['cycle_s'])}"
    for each in sorted(found["cells"], key=lambda cell: -(cell["more_of_all"] or 0)):
        more = "unknown" if each["more_of_all"] is None else f"about {each['more_of_all']:,} conversations more"
        yield f"  {each['name']}: {more}"


def lines_of(found: dict[str, Any], *, most: int = MOST_REASONS) -> Iterator[str]:
    """A report in words; of the reasons, the first ``most``, those that lack most before the others."""
    looked = "no look yet" if found["looked_at"] is None else f"as of {_instant(found['looked_at'])}"
    name, verdict = found["candidate"], found["verdict"]
    of = f"revision {found['revision']}, experiment {found['experiment']}"
    yield f"{verdict}: {name} {SAID[verdict]} ({of}, {looked})"
    shown = {each["name"]: each["progress"] for each in found["cells"]}
    reasons = sorted(
        found["reasons"], key=lambda each: shown.get(each["detail"].partition(": ")[0], -1.0) if _lacks(each) else -1.0
    )
    for each in reasons[:most]:
        yield f"  {each['why']}: {each['detail']}"
    if len(reasons) > most:
        yield f"  and {len(reasons) - most} more: shadow gate explain {name}"
    for each in found["cells"]:
        if each["name"] in found["culprits"] and each["estimate"] is not None:
            yield f"  {each['name']}: {estimate(each)}"
    if verdict == "HOLD":
        yield from _waits(found)
    if found["scope"]:
        yield f"  holds on: {', '.join(found['scope'])}"


def _lacks(reason: dict[str, str]) -> bool:
    return reason["why"] == "evidence"


def estimate(cell: dict[str, Any]) -> str:
    """A cell's estimate with its interval, in words."""
    within = "" if cell["lower"] is None else f" ({cell['lower']:+.4f} to {cell['upper']:+.4f})"
    return f"{cell['estimate']:+.4f}{within}, margin {cell['margin']:.4f}, {cell['conversations']} conversations"


def _waits(found: dict[str, Any]) -> Iterator[str]:
    ahead, count, whys = found["ahead"], found["conversations"], {each["why"] for each in found["reasons"]}
    if not found["comparisons"]:
        yield "  waits for: the first comparison of this revision; is its mirror running?"
        return
    if not count["closed"]:
        yield (
            f"  waits for: the first conversation to close ({found['comparisons']} comparisons, {count['open']} "
            f"conversations open); first look at {_instant(ahead['first_look_at'])}"
        )
        return
    if "expired" in whys:
        yield "  for good: change the candidate or the gate, either begins a new experiment"
        return
    waiting = found["waiting_for"]
    if waiting:
        yield f"  waits for: {waiting['name']} the longest, {waiting['progress']:.0%} shown"
    doubted = "once the doubts are gone, " if whys & {"cause", "incomplete"} else ""
    yield f"  how much longer: {doubted}{_how_long(ahead)}"


def _how_long(ahead: dict[str, Any]) -> str:
    if ahead["never"]:
        names = ahead["never"]
        more = f" and {len(names) - MOST_REASONS} more" if len(names) > MOST_REASONS else ""
        return f"not to be told at this rate, because of {', '.join(names[:MOST_REASONS])}{more}"
    pace = "" if ahead["per_hour"] is None else f" at {ahead['per_hour']:,.0f} an hour"
    at = "" if ahead["decision_at"] is None else f", at the earliest {_instant(ahead['decision_at'])}"
    return f"about {ahead['conversations']:,} conversations more{pace}{at}"


def _instant(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: float) -> str:
    return f"{seconds / HOUR_S:g} h" if seconds >= HOUR_S else f"{seconds:g} s"


def cell_table(cells: list[dict[str, Any]]) -> Table:
    """What must hold, a row each: what does not yet first."""
    table = Table(title="What must hold: estimate and time-uniform interval (safe to watch)", title_justify="left")
    for heading in ("guardrail", "slice", "state", "margin", "estimate", "interval", "conversations", "shown", "more"):
        table.add_column(heading, justify="left" if heading in {"guardrail", "slice", "state"} else "right")
    for each in sorted(cells, key=lambda cell: (cell["state"] == "pass", cell["progress"])):
        interval = "-" if each["lower"] is None else f"{each['lower']:+.4f} to {each['upper']:+.4f}"
        table.add_row(
            each["guardrail"],
            each["slice"],
            each["state"],
            f"{each['margin']:.4f}",
            "-" if each["estimate"] is None else f"{each['estimate']:+.4f}",
            interval,
            str(each["conversations"]),
            f"{each['progress']:.0%}",
            "-" if each["more"] is None else str(each["more"]),
        )
    return table


def _sentinel(found: dict[str, Any] | None) -> Iterator[str]:
    if found is None:
        yield "sentinel: none, as there is no control arm; nobody watches whether the instruments are the same"
        return
    told = f"after {found['conversations']:,} conversations of control"
    if found["alarm"]:
        alarm = found["alarm"]
        where = f"by {alarm['guardrail']}, raised after {alarm['conversations']:,} conversations"
        yield f"sentinel: ALARM ({found['state']}) {where}, {_instant(alarm['at'])}"
    else:
        yield f"sentinel: quiet {told}, {found['progress']:.0%} of the evidence of an alarm"
    for each in found["guardrails"]:
        mean = "no data" if each["estimate"] is None else f"{each['estimate']:+.4f}"
        yield f"  {each['name']}, control less production: {mean} in {each['conversations']:,} conversations"


def _sampled(arm: Arm) -> str:
    """Of what the coverage is a share."""
    within = "; ".join(f"{name} is {' or '.join(values)}" for name, values in sorted(arm.scope.items()))
    share = f"{arm.sampling.rate:.4g} of the conversations" + (f" in which {within}" if within else "")
    return (
        f"sampled for {arm.name}: {share}, by hash; the others are in no row of the ledger and in no figure here, "
        f"shadow_mirror_records_total counts them (sampled_out, out_of_scope)"
    )


def coverage_lines(found: dict[str, Any], arm: Arm) -> Iterator[str]:
    """What the evidence covers, and what it leaves out."""
    pairs, coverage, conversations = found["pairs"], found["coverage"], found["conversations"]
    yield f"conversations: {conversations['closed']} closed, {conversations['open']} open"
    yield f"pairs: {pairs['complete']} of {pairs['expected']} complete; missing: {pairs['missing'] or 'none'}"
    yield f"recorded too late: {pairs['late']}"
    yield _sampled(arm)
    yield f"coverage: {coverage['turns_used']} of the turns sampled enter; by prefix: {coverage['by_prefix'] or 'none'}"
    yield from _sentinel(found["sentinel"])
    if coverage["under_represented"]:
        yield f"under-represented: {', '.join(coverage['under_represented'])}"
