"""The evidence as one page for who decides, by :mod:`shadow.markup`."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from shadow.gate.guardrails import OVERALL
from shadow.markup import document, listed, section, table, time
from shadow.promotion.plot import plot

SHOWN: Final = 10
"""Pairs of each list; ``worst.json`` has more."""

SAID: Final = {
    "PROMOTE": "It may replace production: everything below is shown to be within its margin. Next: shadow promote.",
    "HOLD": "Not yet: this is no verdict on the candidate. What it waits for, or what forbids a verdict, stands below.",
    "REJECT": "It must not replace production: the harm below is beyond doubt, whatever the rest may still show.",
}
"""What a verdict means, and what follows from it."""

UNKNOWN: Final = (
    "Customers who answer the candidate: they have answered production. Turns after it had left do not count.",
    "Whether tomorrow's traffic is like what was sampled. The verdict is about the conversations counted here.",
    "What no guardrail measures. A guardrail is as good as the detectors and measures it rests on.",
)


def page(report: dict[str, Any], facts: dict[str, Any], pairs: dict[str, list[dict[str, Any]]]) -> str:
    """The whole document, of the members ``report.json``, ``seal.json`` and ``worst.json``: the same, the same bytes.

    Times are UTC.
    """
    title = f"{report['candidate']}: {report['verdict']}"
    body = (
        _head(report, facts),
        _why(report),
        _guardrails(report["cells"]),
        _slices(report),
        _coverage(report),
        _pairs("Failures that production did not have", pairs["failures"]),
        _pairs("Largest divergences", pairs["divergences"]),
        f'<p class="quiet">The words of a turn: <code>shadow explain TURN {escape(report["candidate"])}</code>.</p>',
        section("What is not known", listed(UNKNOWN)),
        _made_with(facts),
    )
    return document(title, body)


def _head(report: dict[str, Any], facts: dict[str, Any]) -> str:
    verdict = escape(report["verdict"])
    return (
        f'<h1>{escape(report["candidate"])} <span class="verdict {verdict}">{verdict}</span></h1>'
        f"<p>Revision <code>{escape(report['revision'])}</code>, owner {escape(facts['owner'])}, experiment "
        f"<code>{escape(report['experiment'])}</code>, as of {_time(report['looked_at'])}.</p>"
        f'<p class="said">{SAID[report["verdict"]]}</p>'
    )


def _why(report: dict[str, Any]) -> str:
    lines = [f"{each['why']}: {each['detail']}" for each in report["reasons"]]
    lines += [_harm(each) for each in report["cells"] if each["state"] == "fail"]
    found = section("Why", listed(lines))
    slowest = report["waiting_for"]
    if slowest is None or report["verdict"] == "REJECT":  # which nothing that is still collected can change
        return found
    more = "not at this rate" if slowest["more"] is None else f"about {slowest['more']:,} conversations more"
    return found + (
        f"<p>Slowest: <b>{escape(slowest['name'])}</b>, {slowest['progress']:.0%} of the evidence needed; "
        f"{more}. {report['waiting']} of {len(report['cells'])} are not shown.</p>"
    )


def _harm(cell: dict[str, Any]) -> str:
    return (
        f"{cell['name']}: {_number(cell['estimate'])} against production (between {_interval(cell)}), "
        f"{cell['margin']:.2%} allowed, from {cell['conversations']:,} conversations"
    )


def _guardrails(cells: list[dict[str, Any]]) -> str:
    overall = [each for each in cells if each["slice"] == OVERALL]
    return section(
        "How much worse, and how sure: guardrails over all traffic",
        '<p class="quiet">Dot: the estimate. Line: the interval, which holds at every look at once. Wholly left of the '
        "margin: it holds. Wholly right of it: harm, which fails once that is sure among all cells looked at. Across "
        "it: not known yet. A positive number is worse than production.</p>" + plot(overall) + _cells(overall),
    )


def _slices(report: dict[str, Any]) -> str:
    sliced = [each for each in report["cells"] if each["slice"] != OVERALL]
    if not sliced:
        return section(
            "Where: slices", "<p>No guardrail names a slice: harm in a small part of the traffic is untested.</p>"
        )
    return section("Where: slices", plot(sliced) + _cells(sliced))


def _cells(cells: list[dict[str, Any]]) -> str:
    rows = [
        (
            each["name"],
            each["state"],
            _number(each["estimate"]),
            _interval(each),
            f"{each['margin']:.2%}",
            f"{each['conversations']:,}",
            "-" if each["state"] == "fail" else f"{each['progress']:.0%}",
        )
        for each in cells
    ]
    headings = (
        "what must hold",
        "state",
        "how much worse",
        "at least to at most",
        "margin",
        "conversations",
        "evidence",
    )
    return table(headings, rows)


def _coverage(report: dict[str, Any]) -> str:
    conversations, pairs, coverage = report["conversations"], report["pairs"], report["coverage"]
    rows = [
        ("conversations closed", f"{conversations['closed']:,} ({conversations['needed']:,} needed)"),
        ("conversations open", f"{conversations['open']:,}"),
        ("pairs complete", f"{pairs['complete']:,} of {pairs['expected']:,}: {_share(pairs['completeness'])}"),
        ("recorded too late", f"{pairs['late']:,}"),
        ("turns that count", f"{coverage['turns_used']:,}: {_share(coverage['share'])}"),
        ("turns while the customer would still talk to it (valid), or not (broken)", _counts(coverage["by_prefix"])),
        ("pairs that are missing", _counts(pairs["missing"])),
        ("under-represented slices", ", ".join(coverage["under_represented"]) or "none"),
    ]
    return section("What it rests on", table(("", ""), rows))


def _pairs(title: str, pairs: list[dict[str, Any]]) -> str:
    if not pairs:
        return section(title, "<p>None.</p>")
    rows = [
        (
            each["turn_id"],
            each["outcome"],
            ", ".join(each["failures"]) or "-",
            "-" if each["divergence"] is None else f"{each['divergence']:.3f}",
        )
        for each in pairs[:SHOWN]
    ]
    return section(title, table(("turn", "outcome", "failures", "mean divergence"), rows))


def _made_with(facts: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    return f"<p><small>Judged by {escape(facts['evaluator_revision'])}. Made with {escape(versions)}.</small></p>"


def _interval(cell: dict[str, Any]) -> str:
    if cell["lower"] is None:
        return "no interval yet"
    return f"{_number(cell['lower'])} to {_number(cell['upper'])}"


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in found.items()) or "none"


def _number(value: float | None) -> str:
    return "no data" if value is None else f"{value:+.2%}"


def _share(value: float | None) -> str:
    return "no data" if value is None else f"{value:.2%}"


def _time(at: float | None) -> str:
    return "no look yet" if at is None else time(at)
