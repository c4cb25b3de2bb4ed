"""The first page: who is evaluated, who owns it, and which lists there are. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape

from shadow import markup
from shadow.addresses import PAIRS, address
from shadow.config import Arm, Config, model_of
from shadow.console.asked import measures
from shadow.console.frame import chips, chooser, grid, link, page
from shadow.console.reading import Latest
from shadow.events import CONTROL, FAILURE_KINDS
from shadow.gate.settings import GuardrailSettings


def home(config: Config, slices: Collection[str], latest: Mapping[str, Latest]) -> str:
    """The whole page; ``latest``: the newest pair of each arm that has one."""
    if not config.arms:
        return page("No arms", ["<p>The configuration names no control arm and no candidates.</p>"])
    rows = [_arm(arm, latest.get(arm.name)) for arm in config.arms]
    first = (config.candidates or config.arms)[0].name
    body = (
        chooser(config, slices, first, {}),
        grid(("arm", "owner", "model", "revision", "newest pair", ""), rows),
        markup.section("Guardrails", _guardrails(config)),
        markup.section("Worst pairs by kind of failure", _by_arm(config, "failure", FAILURE_KINDS)),
        markup.section("Worst pairs by measure", _by_arm(config, "measure", measures(config))),
        markup.section("Slices", f"<p>{chips(sorted(slices)) or 'no slicer is in use'}</p>"),
    )
    return page("Arms", body)


def _arm(arm: Arm, latest: Latest | None) -> tuple[str, ...]:
    role = " (production asked again)" if arm.name == CONTROL else ""
    newest = "none yet"
    if latest is not None:
        newest = markup.time(latest.arrived_at)
        if latest.revision != arm.revision:
            newest += f", of another revision: {latest.revision or '(none)'}"
    return (
        f"<b>{escape(arm.name)}</b>{role}",
        escape(arm.owner),
        escape(model_of(arm.adapter) or arm.adapter.type),
        f"<code>{escape(arm.revision)}</code>",
        escape(newest),
        link(address(PAIRS, candidate=arm.name), "worst pairs"),
    )


def _guardrails(config: Config) -> str:
    rows = [
        (
            f"<b>{escape(each.name)}</b>",
            escape(about(each)),
            chips(getattr(each, "slices", ())) or '<span class="quiet">all traffic alone</span>',
            _of_each(config, "guardrail", each.name),
        )
        for each in config.gate.guardrails
    ]
    return grid(("guardrail", "counts turns on which an arm", "must hold on", "worst pairs"), rows)


def about(settings: GuardrailSettings) -> str:
    """Which turns a guardrail counts against an arm, in words that go on from "on which it"."""
    kinds = getattr(settings, "failures", None)
    named = "in any way" if kinds == "any" else ", ".join(kinds or ())
    return {
        "failure": f"failed ({named}) where production did not",
        "zero_tolerance": f"did what nobody may: {named}",
        "score": f"scored lower than production: {getattr(settings, 'outcome', '')}",
        "excess_divergence": f"was farther from production than control, by {getattr(settings, 'measure', '')}",
        "slow": f"took longer than {getattr(settings, 'limit_s', 0):g} s where production did not",
        "log_ratio": f"took or cost more than production: {getattr(settings, 'of', '')}",
    }[settings.kind]


def _by_arm(config: Config, parameter: str, names: Collection[str]) -> str:
    """A line for each candidate, a link for each name."""
    rows = []
    for arm in config.candidates or config.arms:
        links = (link(address(PAIRS, candidate=arm.name, **{parameter: name}), name) for name in names)
        rows.append((escape(arm.name), " &middot; ".join(links)))
    return grid(("", ""), rows)


def _of_each(config: Config, parameter: str, name: str) -> str:
    made = (
        link(address(PAIRS, candidate=arm.name, **{parameter: name}), arm.name)
        for arm in (config.candidates or config.arms)
    )
    return " &middot; ".join(made)
