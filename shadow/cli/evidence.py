"""``shadow evidence`` seals what a verdict rests on; ``shadow verify`` comes to the verdict again from that file."""

from __future__ import annotations

import time
from pathlib import Path

import click

from shadow import plugins
from shadow.cli.root import Unavailable, configuration, print_json
from shadow.dead_letters import printable
from shadow.ledger import Ledger, LedgerError
from shadow.promotion.bundle import BundleError, digest
from shadow.promotion.evidence import Sealed, seal
from shadow.promotion.verify import verify as verified

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("candidate")
@click.option("--output", type=FILE, help="Bundle to write. Default: evidence-CANDIDATE-EXPERIMENT.zip.")
@click.option("--html", type=FILE, help="Also write its page here.")
@click.pass_context
def evidence(ctx: click.Context, candidate: str, output: Path | None, html: Path | None) -> None:
    """Seal what the verdict on CANDIDATE rests on, as of the gate's last look, into one file.

    It holds no text of customers or models. The digest that is printed is that of the whole file: keep it elsewhere.
    """
    config = configuration(ctx)
    try:
        _, revision = plugins.evaluator(config)
        with Ledger(config.ledger.url, create=False) as ledger:
            config.arm(candidate)
            sealed = seal(config, ledger, candidate, revision, time.time())
    except (plugins.PluginError, LedgerError, BundleError, ValueError) as error:
        raise Unavailable(_lines(error)) from None
    file = output or Path(f"evidence-{candidate}-{sealed.report['experiment']}.zip")
    write(file, sealed.data)
    if html:
        write(html, sealed.page)
    for line in _said(file, sealed):
        click.echo(line)


@click.command()
@click.argument("bundle", type=FILE)
@click.option("--digest", "expected", metavar="SHA256", help="The digest that was printed when it was sealed.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, for programs.")
def verify(bundle: Path, *, expected: str | None, as_json: bool) -> None:
    """Recompute the verdict from BUNDLE alone; if a member of it was altered, say which.

    Exit code 0: every byte is as sealed and follows from the rows. 1: not. Without --digest this finds changes, not a
    forger: someone who alters a row and seals again has a bundle that is consistent.
    """
    try:
        found = verified(bundle.read_bytes(), expected=expected)
    except OSError as error:
        raise Unavailable(f"{bundle}: cannot be read ({error.strerror})") from None
    except BundleError as error:
        raise Unavailable(f"{bundle} {_lines(error)}") from None
    if as_json:
        print_json(found.report)
        return
    report = found.report
    click.echo(f"{report['candidate']} {report['revision']}: {report['verdict']} (experiment {report['experiment']})")
    click.echo(f"made again from {found.rows} rows, {found.conversations} closed conversations: the same bytes")
    click.echo(f"sha256 {found.digest}{', as given' if expected else ''}")


def _said(file: Path, sealed: Sealed) -> list[str]:
    report = sealed.report
    return [
        f"{report['candidate']} {report['revision']}: {report['verdict']} (experiment {report['experiment']})",
        f"{file}: {len(sealed.data)} bytes",
        f"sha256 {digest(sealed.data)}",
    ]


def _lines(error: Exception) -> str:
    return "\n".join(map(printable, str(error).splitlines()))


def write(file: Path, data: bytes) -> None:
    """All or nothing: a bundle that was cut by a full disk must not lie there."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Unavailable(f"{file}: cannot be written ({error.strerror})") from None
