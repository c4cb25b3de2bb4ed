"""``python -m dashboards.render``: a picture of every dashboard, from a Prometheus or from the demo's traffic.

With ``--simulate`` the evidence page of a rejected candidate and the console's pages of its worst pairs are pictured
too. Exit code 0: every panel was drawn; 1: some were not, and each is named; 2: something is missing, or wrong use.
pngquant, where it is there, makes the pictures small.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from dashboards.boards import BOARDS
from dashboards.documents import to_json
from dashboards.render import console, programs, traffic
from dashboards.render.browser import Shot, Span, address, faults, look
from dashboards.render.site import serving

FOLDER: Final = Path(".shadow/render")
SEALED: Final = "slice-worse"


def main() -> int:
    """Draw, and say what could not be drawn."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.render", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--prometheus", metavar="URL", help="draw what this server has, such as http://127.0.0.1:9090")
    where.add_argument(
        "--simulate", metavar="SECONDS", type=float, help="run the demo's traffic for so long, and draw it"
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures (default: %(default)s)")
    parser.add_argument(
        "--last", type=float, default=3600, metavar="SECONDS", help="of time shown (default: %(default)s)"
    )
    parser.add_argument(
        "--until", type=float, metavar="TIME", help="end of the time shown, Unix seconds (default: now)"
    )
    parser.add_argument("--scrape", type=float, default=15, metavar="SECONDS", help="its scrape interval (default: 15)")
    parser.add_argument("--board", action="append", choices=[board.uid for board in BOARDS], help="only this one")
    parser.add_argument("--candidate", action="append", default=[], help="only this one (default: all)")
    given = parser.parse_args()
    try:
        programs.require("node", "chromium", "page", *(["prometheus"] if given.simulate else []))
        with ExitStack() as stack:
            seen = _drawn(given, stack)
    except (programs.MissingError, RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    _squeeze(sorted(given.out.glob("*.png")))
    found = faults(seen)
    for page in seen:
        for panel in page["panels"]:
            if panel["state"] == "empty":
                print(f"empty: {panel['title']} ({page['url'].partition('board=')[2].partition('&')[0]})")
    print("\n".join(found))
    return int(bool(found))


def _drawn(given: argparse.Namespace, stack: ExitStack) -> list[dict[str, Any]]:
    """What is on each dashboard, its picture kept in ``given.out``."""
    given.out.mkdir(parents=True, exist_ok=True)
    end_s = given.until or time.time()
    server, span, plain = given.prometheus, Span(end_s - given.last, end_s, given.scrape), []
    if given.simulate:
        begin_s = time.time()
        found = stack.enter_context(traffic.running(FOLDER, given.simulate))
        time.sleep(given.simulate)
        server, span = found.prometheus, Span(begin_s, time.time(), traffic.SCRAPE_S)
        plain += [_evidence(found.config, given.out), *console.shots(found.console, given.out)]
    site = stack.enter_context(serving(server, {board.uid: to_json(board) for board in BOARDS}))
    chosen = {"candidate": given.candidate} if given.candidate else {}
    uids = given.board or [board.uid for board in BOARDS]
    shots = [Shot(address(site, uid, span, **chosen), given.out / f"{uid}.png") for uid in uids]
    return look([*shots, *plain])


def _squeeze(pictures: Sequence[Path]) -> None:
    """A third of the size with 256 colours, where pngquant is there; else as they are."""
    if program := shutil.which("pngquant"):
        options = ["--force", "--skip-if-larger", "--ext", ".png", "--speed", "1", "--strip", "--"]
        subprocess.run([program, *options, *map(str, pictures)], check=False)  # noqa: S603 (found on the path)


def _evidence(config: Path, out: Path) -> Shot:
    """The page of a verdict that is sealed now."""
    page = FOLDER.absolute() / "evidence.html"
    command = [sys.executable, "-m", "shadow.cli", "--config", str(config), "evidence", SEALED]
    subprocess.run(  # noqa: S603 (our own command line)
        [*command, "--output", str(FOLDER / "evidence.zip"), "--html", str(page)], check=True, capture_output=True
    )
    return Shot(page.as_uri(), out / "evidence.png", plain=True)


if __name__ == "__main__":
    sys.exit(main())
