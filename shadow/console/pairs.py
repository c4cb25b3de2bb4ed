"""The list of an arm's worst pairs as a page. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from html import escape
from typing import Final

from shadow import markup
from shadow.addresses import PAIR, PAIRS, address
from shadow.config import Config
from shadow.console.asked import List
from shadow.console.frame import chips, chooser, grid, link, page
from shadow.console.home import about
from shadow.console.ranking import Ranked
from shadow.console.reading import SHOWN, Worst
from shadow.events import ArmFacts, Comparison
from shadow.markup import visible

CAUSE: Final = 200
"""Characters of a failure's cause; the pair's page has all of it."""

APART: Final = 0.5
"""A divergence from here on stands out."""


def pairs(config: Config, slices: Collection[str], asked: List, found: Worst) -> str:
    """The whole page."""
    arm = asked.arm
    body = [
        chooser(config, slices, arm.name, asked.choice),
        f"<p>Owner {escape(arm.owner)}, revision <code>{escape(arm.revision)}</code>.</p>",
        *(f"<p>{line}</p>" for line in _said(asked, found)),
        *([_table(asked, found)] if found.shown else []),
        *([f"<p>{_older(asked, found)}</p>"] if found.older else []),
    ]
    return page(f"{arm.name}: worst pairs{_by(asked)}", body)


def _by(asked: List) -> str:
    by = f" by {asked.settings.name}" if asked.settings else ""
    return f"{by} on {asked.slice_ or 'all traffic'}"


def _said(asked: List, found: Worst) -> Iterator[str]:
    """What the list is of, as markup, a line each."""
    if found.newest is None or found.oldest is None:
        yield '<span class="bad">No pair of this arm is in the ledger' + (
            " at or before that time.</span>" if asked.until else ": is its mirror running, is it paused?</span>"
        )
        return
    span = f"{markup.time(found.oldest)} to {markup.time(found.newest)}"
    where = f" on {asked.slice_}" if asked.slice_ else ""
    what = f"{found.looked_at:,} pairs" if not found.older else f"the newest {found.looked_at:,} pairs"
    if asked.until and found.older:
        what = f"{found.looked_at:,} pairs up to a time"
    yield escape(f"Among {what} of this arm ({span}), {found.ranked:,} are of this revision{where}.")
    left = "; ".join(f"{count:,} {visible(name)}" for name, count in sorted(found.others.items()))
    if left:
        yield f'<span class="quiet">Left out: {escape(left)}.</span>'
    if not found.ranked:
        yield f'<span class="bad">There is none to show{escape(where)}.</span>'
        return
    yield _counted(asked, found)


def _counted(asked: List, found: Worst) -> str:
    said = escape(about(asked.settings) if asked.settings else "failed where production did not")
    if found.instead:
        needed = asked.settings is not None and asked.settings.kind in {"score", "excess_divergence"}
        why = ": control's rows, outcomes or the judge's verdicts that it needs may be missing" if needed else ""
        return f"<b>There is none</b> on which it {said}{why}. Below: by failures, then mean divergence."
    shown = f" The worst {SHOWN} are shown." if found.ranked > SHOWN else ""
    return (
        f"On <b>{found.counted:,}</b> of them it {said}.{shown} "
        '<span class="quiet">A verdict counts fewer: closed conversations, and turns that the arm would still have '
        "been in.</span>"
    )


def _older(asked: List, found: Worst) -> str:
    choice = {name: value for name, value in asked.choice.items() if name != "until"}
    to = address(PAIRS, candidate=asked.arm.name, **choice, until=repr(found.oldest))
    return f"Older pairs were not looked at: {link(to, f'the {found.looked_at:,} before')}."


def _table(asked: List, found: Worst) -> str:
    rows = [_row(asked, each, found.records.get(each.row.turn_id)) for each in found.shown]
    figure = (asked.settings.name if asked.settings else "") if any(each.why for each in found.shown) else ""
    headings = ("turn", "when (UTC)", "ended", "failures", figure, "divergence", "latency", "slices")
    kept = [index for index, name in enumerate(headings) if name]
    return grid([headings[index] for index in kept], [[row[index] for index in kept] for row in rows])


def _row(asked: List, each: Ranked, record: Comparison | None) -> tuple[str, ...]:
    row = each.row
    to = address(PAIR, turn=row.turn_id, arm=row.arm, revision=row.arm_revision, **asked.choice)
    ended = row.outcome + (f": {row.reason}" if row.reason else "")
    return (
        link(to, row.turn_id),
        f'<span class="line">{escape(markup.time(row.turn_arrived_at).removesuffix(" UTC"))}</span>',
        escape(ended) if row.outcome == "compared" else f'<span class="bad">{escape(ended)}</span>',
        _failures(each, record),
        f'<span class="line{" bad" if each.counts else ""}">{escape(each.why)}</span>',
        _divergence(each.shown["scores"], each.shown["divergence"]),
        f"{seconds(row.candidate_latency_s)}<br><small>production {seconds(row.production_latency_s)}</small>",
        chips(record.slices) if record else "",
    )


def _failures(each: Ranked, record: Comparison | None) -> str:
    """The arm's; what production did too is not its fault alone, and stands small."""
    facts = (record.candidate if record else None) or ArmFacts()
    own = set(each.shown["failures"])
    lines = [
        f'<b class="bad">{escape(kind)}</b>{_cause(facts.causes.get(kind, ""))}'
        if kind in own
        else f"<small>{escape(kind)}, as production</small>"
        for kind in sorted(facts.failures, key=lambda kind: (kind not in own, kind))
    ]
    lines += [f"<small>{escape(visible(name))}: the detector broke</small>" for name in facts.abstained]
    return "<br>".join(lines) or "none"


def _cause(text: str) -> str:
    cut = "..." if len(text) > CAUSE else ""
    return f" <small>{escape(visible(text[:CAUSE]))}{cut}</small>" if text else ""


def _divergence(scores: Mapping[str, float], mean: float | None) -> str:
    if mean is None:
        return "nothing to compare"
    each = (
        f'<span class="{"bad" if score >= APART else "quiet"}">{escape(name)}&nbsp;{score:.2f}</span>'
        for name, score in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    return f'<div class="scores"><b>{mean:.3f}</b> <small>{" ".join(each)}</small></div>'


def seconds(value: float | None) -> str:
    """A duration for people; no data is not 0."""
    return "no data" if value is None else f"{value:.3g}&nbsp;s"
