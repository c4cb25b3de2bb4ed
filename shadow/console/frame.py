"""What all pages of the console have in common: frame, links, tables of markup, and the form that chooses a list."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from http import HTTPStatus
from typing import Final

from shadow import __version__, markup
from shadow.addresses import ALL_TRAFFIC, HOME, PAIRS, address
from shadow.config import Config
from shadow.console.asked import RefusedError
from shadow.markup import visible

STYLE: Final = (
    markup.STYLE
    + """
body{max-width:84rem}header{display:flex;gap:.6rem 1.2rem;align-items:baseline;flex-wrap:wrap;margin-bottom:1rem}
header a{font-weight:700}a{color:#0550ae}form{display:flex;gap:.5rem 1rem;align-items:end;flex-wrap:wrap;margin:.8rem 0}
label{font-size:.85rem;color:#57606a}select,button{display:block;font:inherit;padding:.2rem .4rem}
td,th{vertical-align:top}td p{margin:0}td.n{white-space:nowrap}th{font-size:.85rem;color:#57606a;font-weight:600}
.line{white-space:nowrap}.scores{min-width:13rem}.wide{overflow-x:auto}.bad{color:#b3261e;font-weight:700}
.warn{background:#fff5d6;padding:.4rem .8rem;border-radius:.3rem}
.chip{display:inline-block;background:#eef1f4;border-radius:.6rem;padding:0 .5rem;margin:0 .2rem .2rem 0}
.chip{font-size:.85rem}
.words{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;max-height:32rem;overflow:auto;margin:0;
padding:.6rem .8rem;background:#f6f8fa;border-left:.25rem solid #8c959f;border-radius:.2rem}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:1rem}.sides>*{min-width:0}.absent{border-left-color:#b3261e}
@media (max-width:50rem){.sides{grid-template-columns:1fr}}
meter{width:8rem}footer{margin-top:2.5rem;border-top:1px solid #d8dde3;padding-top:.4rem}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}a{color:#79c0ff}
th,label,small,.quiet{color:#9aa4af}th,td,footer{border-color:#30363d}.words{background:#161b22}.chip{background:#21262d}
.bad,.fail{color:#ff7b72}.pass{color:#56d364}.warn{background:#3d2e00}select,button{background:#21262d;color:#e6edf3}}
"""
)

POLICY: Final = (
    "default-src 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Content-Security-Policy: this style sheet, and nothing else from anywhere."""

NOTE: Final = "It shows what customers and models wrote. It has no login of its own, and it changes nothing."


def page(title: str, body: Iterable[str]) -> str:
    """A whole page; ``body`` is markup."""
    head = f"<header>{link(address(HOME), 'Shadow console')}<h1>{escape(title)}</h1></header>"
    foot = f"<footer><small>{escape(NOTE)} Shadow {escape(__version__)}.</small></footer>"
    return markup.document(f"{title} - Shadow", [head, *body, foot], style=STYLE)


def refusal(error: RefusedError) -> str:
    """Why a request is not answered, and what there is instead."""
    there = f"<p>There is:</p>{markup.listed(map(visible, error.there_is))}" if error.there_is else ""
    return page(HTTPStatus(error.status).phrase, [f"<p>{escape(visible(str(error)))}.</p>", there])


def away(what: str, remedy: str) -> str:
    """A part that does not answer, and what to do."""
    said = [f'<p class="warn">{escape(visible(what))}</p>', f"<p>{escape(remedy)}</p>"]
    return page("Not now", said)


def link(to: str, text: str) -> str:
    """A link within the console; ``to`` is an address as :mod:`shadow.addresses` makes it."""
    return f'<a href="{escape(to)}">{escape(visible(text))}</a>'


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of markup."""
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def chips(names: Iterable[str]) -> str:
    """Short words beside one another."""
    return "".join(f'<span class="chip">{escape(visible(each))}</span>' for each in names)


def chooser(config: Config, slices: Collection[str], candidate: str, chosen: Mapping[str, str]) -> str:
    """The form that chooses a list: whose, by which guardrail, on which slice."""
    guardrails = [each.name for each in config.gate.guardrails]
    fields = (
        _select("candidate", "arm", [(arm.name, arm.name) for arm in config.arms], candidate),
        _select(
            "guardrail", "worst by", [("", "failures, then divergence"), *_same(guardrails)], chosen.get("guardrail")
        ),
        _select("slice", "slice", [("", ALL_TRAFFIC), *_same(sorted(slices))], chosen.get("slice")),
    )
    return f'<form action="{address(PAIRS)}">{"".join(fields)}<button>Show</button></form>'


def _same(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def _select(name: str, label: str, options: Iterable[tuple[str, str]], chosen: str | None) -> str:
    made = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options
    )
    return f'<label>{escape(label)}<select name="{name}">{made}</select></label>'
