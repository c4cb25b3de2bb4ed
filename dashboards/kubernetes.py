"""Rules and dashboards as Kubernetes takes them: for the Prometheus operator, and for Grafana's sidecar.

The same groups and files as for a Prometheus of one's own: kustomize packs them, and nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

RULES: Final = "prometheusrule.yaml"
LABELS: Final[dict[str, str]] = {"app.kubernetes.io/part-of": "shadow"}


def rule(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All groups as one PrometheusRule: the operator hands them to every Prometheus that selects it."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "shadow", "labels": LABELS},
        "spec": {"groups": list(groups)},
    }


def kustomization(boards: Sequence[str]) -> dict[str, Any]:
    """The folder of generated files as a kustomize resource: rules, a ConfigMap per board, Alertmanager's Secret.

    Names have no hash: Grafana's sidecar and Alertmanager's operator take what has changed by themselves.
    """
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [RULES],
        "generatorOptions": {"disableNameSuffixHash": True, "labels": LABELS},
        "configMapGenerator": [
            {
                "name": board,
                "files": [f"{board}.json"],
                "options": {"labels": {"grafana_dashboard": "1"}, "annotations": {"grafana_folder": "Shadow"}},
            }
            for board in boards
        ],
        "secretGenerator": [{"name": "shadow-alertmanager", "files": ["alertmanager.yaml=alertmanager.yml"]}],
    }
