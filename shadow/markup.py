"""Pages for people: no script, nothing loaded from elsewhere, everything escaped. The same bytes each time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

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

STATES: Final = ("pass", "fail", "collecting")
"""Words that stand in a table in their own colour."""


def document(title: str, body: Iterable[str], *, style: str = STYLE) -> str:
    """The whole page; ``body`` is markup, ``title`` a text."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{style}</style></head><body>\n{chr(10).join(body)}\n</body></html>\n"
    )


def section(title: str, content: str) -> str:
    """A heading, and markup below it."""
    return f"<h2>{escape(title)}</h2>{content}"


def listed(lines: Iterable[str]) -> str:
    """Texts as a list."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Texts as a table; without headings no cell is a number or a state."""
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    draw = _cell if any(headings) else "<td>{}</td>".format
    body = "".join(f"<tr>{''.join(draw(escape(cell)) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def time(at: float) -> str:
    """Unix seconds as UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def visible(text: str) -> str:
    """``text`` as one line: what is not seen, and what turns or covers other text, stands there as its number."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def words(text: str) -> str:
    """What somebody wrote, as markup of several lines: each line visible and escaped."""
    return escape("\n".join(map(visible, text.replace("\r\n", "\n").split("\n"))))


def _cell(text: str) -> str:
    """A number stands right, a state has its colour; ``text`` is escaped."""
    kind = text if text in STATES else "n" if re.fullmatch(r"[-+]?\d[\d.,%]*( to [-+]?[\d.,%]+)?", text) else ""
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"
