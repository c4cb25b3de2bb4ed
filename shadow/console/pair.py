"""One pair as a page: what was asked, what both sides said, how it was judged. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from shadow import markup
from shadow.addresses import PAIR, PAIRS, address
from shadow.console.asked import Pair
from shadow.console.frame import grid, link, page
from shadow.explain import figures
from shadow.markup import visible, words

ARGUMENTS: Final = 4_000
"""Characters of a tool call's arguments."""

CAUSE: Final = 2_000

AGREED: Final = {
    True: "the customer could have gone on as he did",
    False: "the customer could not have gone on as he did",
    None: "whether the customer could have gone on as he did is not decided",
}


def pair(asked: Pair, found: Mapping[str, Any], owner: str | None) -> str:
    """The whole page of what :func:`shadow.explain.explain` found."""
    broker = (
        [f'<p class="warn">{escape(visible(found["broker_away"]))}. Words are missing; the ledger has the rest.</p>']
        if found["broker_away"]
        else []
    )
    body = [
        f"<p>{link(address(PAIRS, candidate=asked.arm, **asked.choice), 'Back to the list')}</p>",
        *broker,
        _head(found, owner),
        markup.section("Customer", _words(found["customer"])),
        _sides(found),
        markup.section("What each did", _facts(found)),
        markup.section("How they were measured", _measures(found["measures"])),
        markup.section("Slices", _slices(found["slices"])),
        *([markup.section("What became of it", _outcomes(found["outcomes"]))] if found["outcomes"] else []),
        _judged(found),
    ]
    return page(f"{visible(found['turn_id'])}: production and {found['arm']}", body)


def _head(found: Mapping[str, Any], owner: str | None) -> str:
    ended = found["outcome"] + (f": {found['reason']}" if found["reason"] else "")
    others = [
        link(address(PAIR, turn=found["turn_id"], arm=found["arm"], revision=revision), revision or "(none)")
        for revision in found["other_revisions"]
    ]
    also = f" Also compared with revision {', '.join(others)}." if others else ""
    return (
        f"<p>Conversation <code>{escape(visible(found['conversation_id']))}</code>, customer's message "
        f"{found['depth']}, compared {markup.time(found['compared_at'])}. <b>{escape(ended)}</b>; "
        f"{AGREED[found['agreed']]}.</p>"
        f"<p>Arm {escape(found['arm'])}, {f'owner {escape(owner)}, ' if owner else ''}"
        f"revision <code>{escape(found['arm_revision'] or '(none)')}</code>.{also}</p>"
    )


def _words(said: Mapping[str, Any]) -> str:
    if "absent" in said:
        return f'<div class="words absent">{escape(visible(str(said["absent"])))}</div>'
    cut = f"\n[... {said['cut_characters']:,} more characters]" if said["cut_characters"] else ""
    text = words(said["text"].replace("\t", "    ")) + cut
    return f'<div class="words" dir="auto">{text or "[no text]"}</div>'


def _sides(found: Mapping[str, Any]) -> str:
    named = (("Production said", found["production"]), (f"{found['arm']} said", found["candidate"]))
    sides = "".join(f"<div>{markup.section(name, _side(side))}</div>" for name, side in named)
    return f'<div class="sides">{sides}</div>'


def _side(side: Mapping[str, Any]) -> str:
    return _words(side["said"]) + _calls(side["said"])


def _calls(said: Mapping[str, Any]) -> str:
    calls = [
        f'<div class="words"><b>{escape(visible(call["name"]))}</b>({words(call["arguments"][:ARGUMENTS])}'
        f"{'...' if len(call['arguments']) > ARGUMENTS else ''})</div>"
        for call in said.get("tool_calls", ())
    ]
    return f'<p class="quiet">Would call (nothing was executed):</p>{"".join(calls)}' if calls else ""


def _facts(found: Mapping[str, Any]) -> str:
    """What each side did, apart from its words, beside one another."""
    sides = (found["production"], found["candidate"])
    rows = {
        "failures": [_failures(side) for side in sides],
        **figures(found),
    }
    return grid(("", "production", found["arm"]), [(name, *cells) for name, cells in rows.items()])


def _failures(side: Mapping[str, Any]) -> str:
    lines = [
        f'<b class="bad">{escape(one["kind"])}</b> {escape(visible(one["cause"][:CAUSE]))}' for one in side["failures"]
    ]
    lines += [f"{escape(visible(name))}: the detector broke" for name in side["detectors_broken"]]
    return "<br>".join(lines) or "none"


def _measures(measures: Mapping[str, Mapping[str, Any]]) -> str:
    if not measures:
        return "<p>None: there was nothing to compare.</p>"
    return grid(("measure", "divergence", ""), [_measure(name, score) for name, score in measures.items()])


def _measure(name: str, score: Mapping[str, Any]) -> tuple[str, ...]:
    value = score.get("value")
    if value is None:
        return escape(visible(name)), "no score", f"abstained: {escape(visible(str(score.get('abstained'))))}"
    return escape(visible(name)), f"{value:.3f}", _meter(value)


def _meter(value: float) -> str:
    """Red where the replies are far apart."""
    return f'<meter min="0" max="1" low="0.25" high="0.5" optimum="0" value="{value:.4f}"></meter>'


def _slices(slices: list[Mapping[str, Any]]) -> str:
    rows = [
        (
            escape(one["name"]),
            escape(visible(one["why"] or "the reason cannot be worked out again")),
            "" if one["recorded"] else "by today's slicers only",
        )
        for one in slices
    ]
    return grid(("slice", "because", ""), rows) if rows else "<p>None.</p>"


def _outcomes(outcomes: list[Mapping[str, Any]]) -> str:
    rows = [
        (escape(one["arm"]), escape(one["name"]), escape(visible(str(one["value"]))[:500]),
         escape(visible(one["detail"] or "")[:1_000]))
        for one in outcomes
    ]  # fmt: skip
    return grid(("of", "outcome", "value", "detail"), rows)


def _judged(found: Mapping[str, Any]) -> str:
    if found["evaluator_is_todays"]:
        return ""
    revision = escape(visible(found["evaluator_revision"] or "(unknown)"))
    return f'<p class="quiet">Judged by evaluator {revision}, which is not today\'s configuration.</p>'
