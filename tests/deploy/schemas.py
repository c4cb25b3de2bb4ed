"""Strict validation of Kubernetes resources: what the schema does not name is an error, as a typing mistake would be.

Built-in kinds by Kubernetes' own schemas, packed in ``kubernetes-validate``; custom ones by their definitions.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema

from tests.deploy.tools import schema_file
from tests.fixtures.manifests import Document, missing

VERSIONS = ("1.28", "1.37")
"""Of Kubernetes: the oldest that docs/deploy.md names, and the newest that the package knows."""

CUSTOM = ("monitoring.coreos.com", "argoproj.io", "flagger.app")


def problems(document: Document) -> list[str]:
    """What the schema of its kind says against a resource."""
    if document["apiVersion"].partition("/")[0] in CUSTOM:
        return _custom(document)
    return [line for version in VERSIONS for line in _built_in(document, version)]


def _built_in(document: Document, version: str) -> list[str]:
    try:
        import kubernetes_validate  # noqa: PLC0415 (it may not be installed)
    except ImportError:
        missing("kubernetes-validate")
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [_line(document, error)]
    except kubernetes_validate.SchemaNotFoundError:
        return [f"{_name(document)}: Kubernetes {version} knows no such kind"]
    return []


def _custom(document: Document) -> list[str]:
    errors = jsonschema.Draft202012Validator(_schema(document["apiVersion"], document["kind"])).iter_errors(document)
    return [_line(document, error) for error in errors]


@functools.cache
def _schema(version: str, kind: str) -> Any:
    file = schema_file(version, kind)
    if not file.exists():
        missing(f"the schema of {kind}")
    schema = strict(json.loads(file.read_text(encoding="utf-8")))
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def strict(schema: Any) -> Any:
    """The same schema, refusing fields that it does not name: the API server's ``fieldValidation=Strict``."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: value if key in {"enum", "default", "required"} else strict(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    return made


def _name(document: Document) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def _line(document: Document, error: jsonschema.ValidationError) -> str:
    return f"{_name(document)}: {'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"
