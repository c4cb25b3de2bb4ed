"""The file that holds evidence: a zip whose bytes depend on its members alone, and a manifest that names any change.

The manifest holds each member's SHA-256 and one of its own list. Without a signature that shows changes by accident or
by somebody who did not seal again. Who wants more keeps the digest of the whole file elsewhere, as it was printed when
the bundle was sealed: nobody can make another file with that digest.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from shadow.gate.report import canonical

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
MOST_BYTES: Final = 2**31
"""Of all members together, unpacked: a file that claims more is not opened."""

OLDEST: Final = (1980, 1, 1, 0, 0, 0)
"""Every member's time: the least that a zip can hold."""

BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""What :mod:`zipfile` raises for a damaged member or an unknown kind of one."""


class BundleError(Exception):
    """A bundle that is not as it was sealed. ``problems`` holds one line each; ``members`` those that were altered."""

    def __init__(self, problems: list[str], members: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.members = members


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal: what ``sha256sum`` prints."""
    return hashlib.sha256(data).hexdigest()


def pack(members: Mapping[str, bytes]) -> bytes:
    """The bundle of these members and their manifest: the same members, the same bytes (of one version of zlib)."""
    whole = {MANIFEST: _manifest(members), **members}
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in sorted(whole):
            info = zipfile.ZipInfo(name, OLDEST)
            info.create_system, info.external_attr = 3, 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, whole[name])
    return made.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The members without the manifest. Raises :class:`BundleError` naming each that is altered, missing or added."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as file:
            found, damaged = _read(file)
    except (*BROKEN, ValueError) as error:
        raise BundleError([f"is no bundle, or its table of contents was altered: {error}"]) from None
    problems = {name: f"{name}: altered, it cannot be read any more" for name in damaged}
    if MANIFEST in problems:
        raise BundleError([problems[MANIFEST]], (MANIFEST,))
    expected = _expected(found.pop(MANIFEST, None))
    for name in sorted({*found, *expected} - problems.keys()):
        if name not in found:
            problems[name] = f"{name}: missing"
        elif name not in expected:
            problems[name] = f"{name}: added, the manifest does not know it"
        elif digest(found[name]) != expected[name]:
            problems[name] = f"{name}: altered, its SHA-256 is not the one in the manifest"
    if problems:
        raise BundleError([problems[name] for name in sorted(problems)], tuple(sorted(problems)))
    return found


def _read(file: zipfile.ZipFile) -> tuple[dict[str, bytes], list[str]]:
    entries = file.infolist()
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise ValueError(f"it holds more than {MOST_BYTES} bytes")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("it holds a member twice")
    found, damaged = {}, []
    for entry in entries:
        try:
            found[entry.filename] = file.read(entry)
        except BROKEN:
            damaged.append(entry.filename)
    return found, damaged


def _manifest(members: Mapping[str, bytes]) -> bytes:
    listed = {name: {"bytes": len(data), "sha256": digest(data)} for name, data in sorted(members.items())}
    return canonical({"format": FORMAT, "members": listed, "sha256_of_members": digest(canonical(listed))})


def _expected(manifest: bytes | None) -> dict[str, str]:
    """Each member's SHA-256."""
    if manifest is None:
        raise BundleError([f"{MANIFEST}: missing"], (MANIFEST,))
    try:
        said: Any = json.loads(manifest)
        listed, form = said["members"], said["format"]
        whole = said["sha256_of_members"] == digest(canonical(listed)) and manifest == canonical(said)
        expected = {name: str(each["sha256"]) for name, each in listed.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        whole, expected, form = False, {}, None
    if not whole or not isinstance(form, int):
        raise BundleError([f"{MANIFEST}: altered, it contradicts itself"], (MANIFEST,))
    if form != FORMAT:
        raise BundleError([f"{MANIFEST}: altered, or of format {form!r}: this version reads {FORMAT}"], (MANIFEST,))
    return expected
