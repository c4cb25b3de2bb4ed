"""What is wrong with a configuration: one line each, with file, line, field, what it is, and the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel

from shadow.config.arms import ADAPTERS
from shadow.gate.settings import BY_KIND
from shadow.section import Section

TAGGED: Final[Mapping[str, type[Section]]] = {**ADAPTERS, **BY_KIND}
"""Sections by the ``type`` or ``kind`` that picks them: pydantic puts it into a problem's place."""

_PASSWORD: Final = re.compile(r"(://[^:/\s]*):(?:(?!://).)*@", re.DOTALL)
_KEY: Final = re.compile(r"(https?://)[^:/@\s]+@")
_QUERY: Final = re.compile(r"(://[^\s?]*\?)[^\s'\"]+")


class ConfigError(ValueError):
    """A configuration that cannot be used. ``problems`` holds one line each: file, line, field, what, fix."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def problem(name: str, node: yaml.Node | None, root: type[BaseModel], error: Mapping[str, Any]) -> str:
    """One of pydantic's errors about a ``root`` read from file ``name``, whose YAML is ``node``, as one line."""
    loc = tuple(part for part in error["loc"] if part not in TAGGED)
    missing = error["type"] == "missing"
    field = ".".join(str(part) for part in loc) or "(file)"
    line = line_of(node, loc[:-1] if missing else loc)
    return f"{name}:{line}: {field}: {_what(root, error)}"


def line_of(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """The 1-based line where ``loc`` stands, or that of its nearest parent that stands in the file."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _what(root: type[BaseModel], error: Mapping[str, Any]) -> str:
    kind, loc = error["type"], error["loc"]
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        known = _known_fields(root, loc)
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(known)}"
        return f"is not a known field; {hint}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        adapter = "adapter" in loc
        known = sorted(ADAPTERS if adapter else BY_KIND)
        return f"{'type' if adapter else 'kind'} must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
    message = str(error["msg"]).removeprefix("Value error, ")
    shown = error.get("input")
    return message if isinstance(shown, (dict, list)) else unsecret(f"{message}, not {shown!r}")


def unsecret(text: str) -> str:
    """``text`` without what may be a secret in the urls in it: what is said of a configuration ends up in logs.

    That is a password, which may hold any sign: up to the last ``@``, rather too much than too little; over http also
    a user's name without one, which is often a key; and what stands behind a question mark.
    """
    text = _PASSWORD.sub(r"\1:***@", text)
    text = _KEY.sub(r"\1***@", text)
    return _QUERY.sub(r"\1***", text)


def _known_fields(root: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    """The fields of the section that ``loc`` points into."""
    section = root
    for part in list(loc)[:-1]:
        if part in TAGGED:
            section = TAGGED[str(part)]
        elif isinstance(part, str) and part in section.model_fields:
            section = next(_sections(section.model_fields[part].annotation), section)
    return list(section.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections named in an annotation: in a list, a mapping, an alternative."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)
