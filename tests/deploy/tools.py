"""``python -m tests.deploy.tools``: fetch what the tests of deploy/ need beyond Python's packages, once.

Go builds kustomize and docker compose's loader, and brings the schemas of custom resources, which lie in the modules of
those who define them. Everything goes to ``.shadow/deploy-tools`` of the checkout. What is there is not fetched again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".shadow" / "deploy-tools"
CRDS = HOME / "crds"
REQUIRE_ALL = "SHADOW_REQUIRE_ALL"

KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
COMPOSE_LOADER = Path(__file__).with_name("composefile")
SCHEMAS = {
    # module: where its custom resource definitions lie in it
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*.yaml",
    "github.com/argoproj/argo-rollouts@v1.8.3": "manifests/crds/*-crd.yaml",
    "github.com/fluxcd/flagger@v1.36.1": "artifacts/flagger/crd.yaml",
}


class _Loader(yaml.CSafeLoader):
    """Takes a bare ``=`` for text, as Kubernetes does; YAML 1.1 has a type of its own for it."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


def go(*arguments: str, cwd: Path, **environ: str) -> str:
    """What ``go`` says; ends the program with its errors."""
    done = subprocess.run(
        ["go", *arguments], cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"go {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def schema_file(version: str, kind: str) -> Path:
    """Where the schema of a custom resource lies; ``version`` is its apiVersion."""
    return CRDS / f"{version.replace('/', '+')}+{kind}.json"


def fetch_schemas() -> None:
    """Take the schemas out of the modules' definitions; the modules' own dependencies are not fetched."""
    for module, pattern in SCHEMAS.items():
        marker = CRDS / f"{module.replace('/', '+')}.done"
        if marker.exists():
            continue
        folder = Path(json.loads(go("mod", "download", "-json", module, cwd=HOME, GOFLAGS="-mod=mod"))["Dir"])
        for file in folder.glob(pattern):
            for definition in yaml.load_all(file.read_text(encoding="utf-8"), _Loader):
                _take(definition["spec"])
        marker.touch()


def _take(spec: dict[str, Any]) -> None:
    for version in spec["versions"]:
        file = schema_file(f"{spec['group']}/{version['name']}", spec["names"]["kind"])
        file.write_text(json.dumps(version["schema"]["openAPIV3Schema"]), encoding="utf-8")


def main() -> None:
    """Fetch what is missing."""
    if shutil.which("go") is None:
        sys.exit("go is not installed: apt-get install golang-go (1.24 or later is needed)")
    CRDS.mkdir(parents=True, exist_ok=True)
    fetch_schemas()
    if not (HOME / "kustomize").exists():
        go("install", KUSTOMIZE, cwd=HOME, GOBIN=str(HOME), GOFLAGS="-mod=mod")
    go("build", "-o", str(HOME / "composefile"), ".", cwd=COMPOSE_LOADER)


if __name__ == "__main__":
    main()
