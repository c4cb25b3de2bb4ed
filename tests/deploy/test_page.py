"""docs/deploy.md says what there is: commands, files, versions, and how much was tried."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.deploy.processes import refused
from tests.deploy.schemas import VERSIONS
from tests.deploy.test_compose_faults import COMPOSE_FAULTS, SCRAPE_FAULTS
from tests.deploy.test_kubernetes_faults import MANIFEST_FAULTS
from tests.deploy.tools import SCHEMAS
from tests.fixtures.manifests import ROOT

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
LINES = "\n".join(re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)).replace("&&", "\n").splitlines()
OURS = [line for line in map(str.strip, LINES) if line.startswith(("shadow ", "python -m consumers"))]


@pytest.mark.parametrize("line", OURS)
def test_a_command_on_the_page_is_one_that_there_is(line: str) -> None:
    assert refused(tuple(shlex.split(line, comments=True))) is None


def test_the_page_has_a_command_for_every_consumer_and_a_wrong_one_is_noticed() -> None:
    assert {line.split()[3] for line in OURS if line.startswith("python")} == {
        "recorder",
        "comparator",
        "mirror",
        "gate",
    }
    assert refused(("python", "-m", "consumers", "mirror", "--metrics-port", "1"))
    assert refused(("shadow", "topics", "--make"))
    assert refused(("shadow", "ledger", "migrations"))


def test_files_on_the_page_exist() -> None:
    named = set(re.findall(r"`((?:deploy|dashboards|tests|docs)/[\w./-]+?)/?`", PAGE))
    assert named
    made = {"deploy/compose/keys/NAME.env"}
    assert sorted(name for name in named - made if not (ROOT / name).exists()) == []


def test_versions_and_numbers_on_the_page_are_those_of_the_tests() -> None:
    said = re.sub(r"\s+", " ", PAGE)
    operator, argo, flagger = (module.partition("@v")[2] for module in SCHEMAS)
    for words in (
        f"Kubernetes {VERSIONS[0]} and {VERSIONS[1]}, of the Prometheus operator {operator.removesuffix('.0')},",
        f"of Argo Rollouts {argo} and of Flagger {flagger};",
        f"notices {len(COMPOSE_FAULTS) + len(SCRAPE_FAULTS) + len(MANIFEST_FAULTS)} faults",
    ):
        assert words in said
