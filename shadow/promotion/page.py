"""The evidence as one page for who decides: no script, nothing loaded from elsewhere, everything escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from shadow.gate.guardrails import OVERALL
from shadow.promotion.plot import COLOURS, plot

SHOWN: Final = 10
"""Pairs of each list; ``worst.json`` has more."""

STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .4rem}p{margin:.3rem 0}
.verdict{display:inline-block;padding:.2rem .8rem;border-radius:.3rem;color:#fff;font-weight:700}
.PROMOTE{background:#1a7f37}.HOLD{background:#7a5c00}.REJECT{background:#b3261e}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #d8dde3}
td.n{text-align:right;font-variant-numeric:tabular-nums}small,.quiet{color:#57606a}
code{font-size:.9em;overflow-wrap:anywhere}svg{width:100%;height:auto}
.said{font-size:1.1rem;margin:.8rem 0}.pass{color:#1a7f37}.fail{color:#b3261e;font-weight:700}.collecting{color:#7a5c00}
"""

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
        _section("What is not known", _list(UNKNOWN)),
        _made_with(facts),
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style></head><body>\n{chr(10).join(body)}\n</body></html>\n"
    )


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
    found = _section("Why", _list(lines))
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
    return _section(
        "How much worse, and how sure: guardrails over all traffic",
        '<p class="quiet">Dot: the estimate. Line: the interval, which holds at every look at once. Wholly left of the '
        "margin: it holds. Wholly right of it: harm, which fails once that is sure among all cells looked at. Across "
        "it: not known yet. A positive number is worse than production.</p>" + plot(overall) + _cells(overall),
    )


def _slices(report: dict[str, Any]) -> str:
    sliced = [each for each in report["cells"] if each["slice"] != OVERALL]
    if not sliced:
        return _section(
            "Where: slices", "<p>No guardrail names a slice: harm in a small part of the traffic is untested.</p>"
        )
    return _section("Where: slices", plot(sliced) + _cells(sliced))


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
    return _table(headings, rows)


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
    return _section("What it rests on", _table(("", ""), rows))


def _pairs(title: str, pairs: list[dict[str, Any]]) -> str:
    if not pairs:
        return _section(title, "<p>None.</p>")
    rows = [
        (
            each["turn_id"],
            each["outcome"],
            ", ".join(each["failures"]) or "-",
            "-" if each["divergence"] is None else f"{each['divergence']:.3f}",
        )
        for each in pairs[:SHOWN]
    ]
    return _section(title, _table(("turn", "outcome", "failures", "mean divergence"), rows))


def _made_with(facts: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    return f"<p><small>Judged by {escape(facts['evaluator_revision'])}. Made with {escape(versions)}.</small></p>"


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}"


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    draw = _cell if any(headings) else "<td>{}</td>".format
    body = "".join(f"<tr>{''.join(draw(escape(cell)) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    """A number stands right, a state has its colour; ``text`` is escaped."""
    kind = text if text in COLOURS else "n" if re.fullmatch(r"[-+]?\d[\d.,%]*( to [-+]?[\d.,%]+)?", text) else ""
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"


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
    return "no look yet" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
