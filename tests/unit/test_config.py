"""shadow.yaml: what is wrong is named by file, line, field and fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadow import plugins
from shadow.config import ConfigError, Console, load, override, parse, unsecret
from shadow.thresholds import DEFAULTS

GOOD = """\
version: 1
production: {owner: support, model: prod-1}
control:
  owner: support
  adapter: {type: openai, base_url: "http://127.0.0.1:1/v1", model: prod-1}
candidates:
  - name: better
    owner: models
    adapter:
      type: openai
      base_url: http://127.0.0.1:1/v1
      model: better-1
    limits: {timeout_s: 5}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "shadow.yaml")
    return caught.value.problems


def with_comparator(fields: str) -> tuple[str, str]:
    """The change that adds these fields of the comparator."""
    return "version: 1\n", f"version: 1\ncomparator: {{{fields}}}\n"


def with_console(fields: str) -> tuple[str, str]:
    return "version: 1\n", f"version: 1\nconsole: {{{fields}}}\n"


def test_the_console_stands_beside_all_other_ports() -> None:
    """Its own command may take any port; beside `shadow up` it must be free."""
    assert parse(GOOD.replace(*with_console("up: true")), "shadow.yaml").console.port == 29098
    assert parse(GOOD.replace(*with_console("port: 29099")), "shadow.yaml").console.port == 29099
    assert parse(GOOD.replace(*with_console("port: 29105, up: true")), "shadow.yaml").console.up


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://Shadow.example", "shadow.example"), ("http://a.example:8080/x/", "a.example"), (None, "localhost")],
)
def test_the_console_answers_to_its_own_hosts(url: str | None, host: str) -> None:
    found = Console(public_url=url, hosts=["Other.example"]).answered_hosts
    assert {host, "other.example", "127.0.0.1", "localhost", "::1"} == found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("limits:", "limitz:"), "shadow.yaml:13: candidates.0.limitz: is not a known field; did you mean 'limits'?"),
        (("timeout_s: 5", "timeout_s: -5"), "shadow.yaml:13: candidates.0.limits.timeout_s: Input should be greater"),
        (("      model: better-1\n", ""), "shadow.yaml:9: candidates.0.adapter.model: is missing; add it"),
        (("      type: openai\n", "      type: opena\n"), "or 'openai', not 'opena'"),
        (("name: better", "name: production"), "shadow.yaml:6: candidates: 'production' is taken"),
        (("name: better", "name: Bad Name"), "shadow.yaml:7: candidates.0.name: String should match pattern"),
        (("timeout_s: 5", "max_age_s: 500"), "raise join_window_s above 590"),
        (with_console("prt: 1"), "shadow.yaml:2: console.prt: is not a known field; did you mean 'port'?"),
        (
            with_console("host: 127.0.0.1, public_url: shadow.example"),
            "console.public_url: String should match pattern",
        ),
        (with_console("hosts: ['shadow.example:80']"), "console.hosts.0: String should match pattern"),
        (with_console("port: 29099, up: true"), "console.port 29099 is metrics.gate_port: give the console another"),
        (with_console("port: 29104, up: true"), "console.port 29104 is a process's, from metrics.port on"),
        (with_console("port: 29092, up: true"), "console.port 29092 is broker.port"),
        (("version: 1", "version: 2"), "shadow.yaml:1: version: Input should be 1"),
        (("version: 1\n", "version: [\n"), "shadow.yaml:3: not YAML"),
        (with_comparator("thresholds: {semantc: {agree: 0, diverge: 1}}"), "did you mean 'semantic'?"),
        (with_comparator("thresholds: {tone: {agree: 0, diverge: 1}}"), "'tone', which is not among the measures; add"),
        (
            with_comparator("thresholds: {facts: {agree: 0.5, diverge: 0.4}}"),
            "comparator.thresholds.facts: agree (0.5)",
        ),
        (with_comparator("thresholds: {facts: {agre: 0.5, agree: 0, diverge: 1}}"), "did you mean 'agree'?"),
        (with_comparator("thresholds: {facts: {agree: 0, diverge: 2}}"), "thresholds.facts.diverge: Input should be"),
        (with_comparator("prefix_measures: [tone]"), "prefix_measures names 'tone', which is not among the measures"),
        (
            with_comparator("measures: [mine, facts], prefix_measures: [mine]"),
            "'mine', which has no thresholds; add thresholds.mine: {agree: ..., diverge: ...}",
        ),
    ],
)
def test_a_problem_is_named_by_file_line_field_and_fix(change, expected):
    (problem,) = problems(GOOD.replace(*change))
    assert expected in problem


def test_every_problem_is_named_at_once():
    assert len(problems(GOOD.replace("timeout_s: 5", "timeout_s: x").replace("owner: models", "owner: ''"))) == 2


@pytest.mark.parametrize("text", ["", "- 1", "just words", "1"])
def test_a_file_that_is_no_mapping_says_what_is_expected(text):
    assert "version: 1" in problems(text)[0]


def test_any_change_of_an_arm_is_another_revision_and_none_is_the_same():
    arm = parse(GOOD, "x").candidates[0]
    assert arm.revision == parse(GOOD, "y").candidates[0].revision
    for change in (("better-1", "better-2"), ("timeout_s: 5", "timeout_s: 6"), ("owner: models", "owner: other")):
        assert parse(GOOD.replace(*change), "x").candidates[0].revision != arm.revision


def test_the_environment_overrides_broker_and_ledger(tmp_path):
    file = tmp_path / "shadow.yaml"
    file.write_text(GOOD)
    environ = {
        "SHADOW_CONFIG": str(file),
        "SHADOW_BROKER_URL": "a:1, b:2",
        "SHADOW_LEDGER_URL": "postgresql://u@h/d",
    }
    config = load(environ=environ)
    assert config.broker.bootstrap == ["a:1", "b:2"]
    assert config.ledger.url == "postgresql://u@h/d"
    with pytest.raises(
        ConfigError, match=r"SHADOW_LEDGER_URL='mysql://x': .*; set it to sqlite:///PATH or postgresql:"
    ):
        override(config, {"SHADOW_LEDGER_URL": "mysql://x"})


def test_a_file_that_is_not_there_says_how_to_name_one(tmp_path):
    with pytest.raises(ConfigError, match="--config or"):
        load(tmp_path / "none.yaml", environ={})


def test_an_unknown_arm_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'nobody'.*control, better"):
        parse(GOOD, "x").arm("nobody")


def test_thresholds_stand_over_the_defaults_and_only_for_measures_in_use(tmp_path):
    change = with_comparator("measures: [semantic, tone], thresholds: {semantic: {agree: 0.1, diverge: 0.2}}")
    comparator = parse(GOOD.replace(*change), "x").comparator
    assert {name: each.diverge for name, each in comparator.effective_thresholds.items()} == {
        "semantic": 0.2,
        "tone": DEFAULTS["tone"].diverge,
    }
    assert comparator.limits == {"semantic": 0.2}
    file = tmp_path / "shadow.yaml"
    file.write_text(GOOD.replace(*change))  # an override validates what the defaults filled in
    assert load(file, environ={"SHADOW_BROKER_URL": "a:1"}).comparator == comparator


def test_another_threshold_is_another_evaluator():
    """Comparisons that were judged otherwise can be told apart."""
    revisions = {
        plugins.evaluator(parse(GOOD.replace(*with_comparator(fields)), "x"))[1]
        for fields in (
            "",
            "thresholds: {facts: {agree: 0, diverge: 0.5}}",
            "thresholds: {length: {agree: 0.1, diverge: 0.5}}",
            "prefix_measures: [action]",
        )
    }
    assert len(revisions) == 4


GATED = (
    GOOD
    + """\
gate:
  guardrails:
    - {kind: failure, name: refusals, failures: [refusal], margin: 0.01, slices: [depth=1]}
    - {kind: log_ratio, name: latency, of: latency}
    - {kind: excess_divergence, name: facts, measure: facts}
"""
)


def test_the_gate_has_defaults_that_can_be_signed():
    gate = parse(GOOD, "x").gate
    assert {each.name for each in gate.guardrails} >= {"any_failure", "pii_leak", "prompt_leak"}
    assert (gate.alpha, gate.min_conversations, gate.prefixes, gate.cycle_s) == (0.05, 300, ["valid"], 86_400)
    assert [each.name for each in parse(GATED, "x").gate.guardrails] == ["refusals", "latency", "facts"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("margin: 0.01", "margin: 0"), "shadow.yaml:16: gate.guardrails.0.margin: Input should be greater than 0"),
        (("margin: 0.01", "margin: -1"), "shadow.yaml:16: gate.guardrails.0.margin: Input should be greater than 0"),
        (("margin: 0.01", "margin: 1.5"), "shadow.yaml:16: gate.guardrails.0.margin: Input should be less than 1"),
        (("margin: 0.01", "margin: 0.4"), "shadow.yaml:15: gate.guardrails: 'refusals': the margin on its slices"),
        (
            ("[depth=1]", "[depth=1, depth=1]"),
            "shadow.yaml:15: gate.guardrails: 'refusals': a slice stands there twice",
        ),
        (("[refusal]", "[refusals]"), "shadow.yaml:16: gate.guardrails.0.failures"),
        (("name: latency", "name: facts"), "shadow.yaml:15: gate.guardrails: 'facts' stands there twice"),
        (("kind: log_ratio", "kind: ratio"), "shadow.yaml:17: gate.guardrails.1: kind must be 'excess_divergence', "),
        (("of: latency", "oof: latency"), "gate.guardrails.1.oof: is not a known field; did you mean 'of'?"),
        (("of: latency", "of: latency, ratio: 1"), "shadow.yaml:17: gate.guardrails.1.ratio: Input should be greater"),
        (
            ("measure: facts", "measure: judge"),
            "gate.guardrails.2 ('facts') rests on the judge, and there is none: add",
        ),
        (("measure: facts", "measure: fact"), "gate.guardrails.2 ('facts') rests on measure 'fact', which is not"),
        (
            ("kind: log_ratio, name: latency, of: latency", "kind: score, name: judged, outcome: judge_worse"),
            "gate.guardrails.1 ('judged'): production's own reply has no 'judge_worse'",
        ),
        (("gate:\n", "gate:\n  alpha: 0.5\n"), "shadow.yaml:15: gate.alpha: Input should be less than 0.5, not 0.5"),
        (("gate:\n", "gate:\n  alpha: 0\n"), "shadow.yaml:15: gate.alpha: Input should be greater than 0, not 0"),
        (("gate:\n", "gate:\n  alpha: -0.05\n"), "shadow.yaml:15: gate.alpha: Input should be greater than 0"),
        (("gate:\n", "gate:\n  alpha: .nan\n"), "shadow.yaml:15: gate.alpha: Input should be "),
        (("gate:\n", "gate:\n  zero_tolerance_alpha: 1\n"), "shadow.yaml:15: gate.zero_tolerance_alpha: Input should"),
        (("gate:\n", "gate:\n  sentinel_alpha: 0\n"), "shadow.yaml:15: gate.sentinel_alpha: Input should be greater"),
        (("gate:\n", "gate:\n  sentinel_since: -1\n"), "shadow.yaml:15: gate.sentinel_since: Input should be greater"),
        (("margin: 0.01", "margin: 1"), "shadow.yaml:16: gate.guardrails.0.margin: Input should be less than 1"),
        (("margin: 0.01", "margin: .nan"), "shadow.yaml:16: gate.guardrails.0.margin: Input should be "),
        (
            ("gate:\n", "gate:\n  min_completeness: 99.5\n"),
            "shadow.yaml:15: gate.min_completeness: Input should be less",
        ),
        (
            ("gate:\n", "gate:\n  cycle_s: 30\n"),
            "shadow.yaml:14: gate: look_every_s is 300, cycle_s 30: look at least once a cycle",
        ),
        (
            ("gate:\n", "gate:\n  max_conversations: 10\n"),
            "shadow.yaml:14: gate: max_conversations is 10, min_conversat",
        ),
        (("gate:\n", "gate:\n  prefixes: [good]\n"), "shadow.yaml:15: gate.prefixes.0: Input should be 'valid'"),
        (("gate:\n", "gate:\n  prefixes: []\n"), "shadow.yaml:15: gate.prefixes: List should have at least 1 item"),
    ],
)
def test_a_gate_that_cannot_be_is_named_by_file_line_field_and_fix(change, expected):
    assert any(expected in problem for problem in problems(GATED.replace(*change)))


def test_a_guardrail_that_needs_the_control_arm_says_so():
    text = GATED.replace(GATED[GATED.index("control:") : GATED.index("candidates:")], "")
    assert "compares with the control arm, and there is none: add 'control'" in problems(text)[0]


@pytest.mark.parametrize(
    "environ", [{}, {"SHADOW_LEDGER_URL": "postgres://shadow:hunter2@db/x"}], ids=["file", "variable"]
)
def test_a_password_in_a_url_that_is_refused_is_not_said(tmp_path: Path, environ: dict[str, str]) -> None:
    """What is wrong with a configuration ends up in logs."""
    url = "sqlite:///l.db" if environ else "postgres://shadow:hunter2@db/x"
    file = tmp_path / "shadow.yaml"
    file.write_text(f"version: 1\nproduction: {{owner: o, model: m}}\nledger: {{url: '{url}'}}\n")
    with pytest.raises(ConfigError) as caught:
        load(file, environ=environ)
    assert "postgres://shadow:***@db/x" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://shadow:hunter2@db/x", "postgresql://shadow:***@db/x"),
        ("postgresql://shadow:hunter2%40%2F@db/x", "postgresql://shadow:***@db/x"),
        ("postgresql://shadow:hunt@er/2:?#@db/x", "postgresql://shadow:***@db/x"),
        ("postgresql://shadow:hun ter2'\"@db/x", "postgresql://shadow:***@db/x"),
        ("postgresql://me@corp:hunter2@db/x", "postgresql://me@corp:***@db/x"),
        ("postgresql://:hunter2@db/x", "postgresql://:***@db/x"),
        ("postgresql://shadow:@db/x", "postgresql://shadow:***@db/x"),
        ("postgresql://shadow:hunter2@[::1]:5432/x", "postgresql://shadow:***@[::1]:5432/x"),
        ("postgresql://shadow@db/x?password=hunter2", "postgresql://shadow@db/x?***"),
        ("https://hunter2@model.example/v1", "https://***@model.example/v1"),
        ("https://hunter2@[2001:db8::1]:8443/v1", "https://***@[2001:db8::1]:8443/v1"),
        ("https://model.example/answer?code=hunter2&v=1", "https://model.example/answer?***"),
        ("http://a:hunter2@h1/v1 and http://b:hunter2@h2/v1", "http://a:***@h1/v1 and http://b:***@h2/v1"),
        ("'http://a:hunter2@h1/v1?k=hunter2', not 'x'", "'http://a:***@h1/v1?***', not 'x'"),
    ],
)
def test_what_is_said_of_a_url_holds_no_secret(url: str, said: str) -> None:
    assert unsecret(url) == said
    assert "hunter2" not in unsecret(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shadow@db:5432/x",
        "sqlite:///.shadow/ledger.db",
        "http://[::1]:8080/v1",
        "no url, but a: b@c",
    ],
)
def test_what_holds_no_secret_is_said_as_it_is(url: str) -> None:
    assert unsecret(url) == url
