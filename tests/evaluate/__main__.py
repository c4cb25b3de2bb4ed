"""``make evaluate``: what the measures, the detectors and the noise floor are worth on labelled data.

Every module of this folder that has ``tables() -> Iterator[str]`` is run and its tables are printed; where its data is
absent it says so and the next one goes on. ``ARGS="NAME ..."`` runs only these, ``--write`` also puts what was printed
into docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.evaluate.data import DATA, AbsentError

PAGE: Final = Path(__file__).parents[2] / "docs" / "evaluation.md"


def modules() -> dict[str, Callable[[], Iterator[str]]]:
    """Each module's ``tables`` by its name, found by listing the folder."""
    names = sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]))
    loaded = {name: importlib.import_module(f"tests.evaluate.{name}") for name in names if name != "__main__"}
    return {name: module.tables for name, module in loaded.items() if hasattr(module, "tables")}


def printed(name: str, tables: Callable[[], Iterator[str]]) -> str:
    """All tables of a module, printed as they come."""
    began, texts = time.process_time(), [f"## {name}", ""]
    print(f"\n## {name}\n", flush=True)
    try:
        for text in tables():
            print(text, flush=True)
            texts.append(text)
    except AbsentError as absent:
        print(f"skipped: {absent}", flush=True)
        return ""
    print(f"{name}: {time.process_time() - began:.0f} s of CPU", file=sys.stderr)
    return "\n".join(texts[2:]).strip("\n") + "\n"


def written(page: str, name: str, text: str) -> str:
    """``page`` with ``text`` between the module's markers; a module without markers gets a section at the end."""
    begin, end = f"<!-- make evaluate: {name} -->", f"<!-- end: {name} -->"
    block = f"{begin}\n{text}{end}"
    if begin not in page:
        return f"{page.rstrip()}\n\n## {name}\n\n{block}\n"
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, page, flags=re.DOTALL)


def main() -> None:
    """Run what was asked for."""
    known = modules()
    parser = argparse.ArgumentParser(prog="python -m tests.evaluate", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(known)}")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.names) - known.keys():
        parser.error(f"{min(unknown)!r} is none of: {', '.join(known)}")
    if given.write and not (DATA / "open").is_dir():
        parser.error("--write needs the data: name its folder in SHADOW_DATA_DIR")
    for name in given.names or known:
        text = printed(name, known[name])
        if given.write and text:
            PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")


if __name__ == "__main__":
    main()
