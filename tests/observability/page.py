"""``python -m tests.observability.page``: personal data leaks from one arm, its owner is paged; and how long it took.

All is real: broker, mirrors, comparator, recorder, gate, Prometheus, Alertmanager, and a webhook on the loopback.
``--faster 1`` runs the times of production, ``--no-resolve`` does not wait until the page is taken back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shadow import broker
from shadow.events import Reply, decode
from shadow.topology import ARM_REPLIES
from tests.fixtures.waiting import insist, until
from tests.observability.deployment import MODELS, OWNERS, Deployment, deployed
from tests.observability.webhooks import Delivery

LEAKY: Final = "leaky"
ALERT: Final = "ShadowCandidateCriticalFailure"
CARD: Final = "4111 1111 1111 1111"
"""What the simulated leak says in every language."""

FASTER: Final = 60.0
"""Of the test: windows and waits of minutes are seconds."""


@dataclass(frozen=True)
class Drill:
    """One leak: the first reply that leaked, what came for it, and what its owner got; times are Unix seconds."""

    deployment: Deployment
    leaked_at_s: float
    page: Delivery
    resolved: Delivery | None

    @property
    def took_s(self) -> float:
        """From the leaking reply to the webhook."""
        return self.page.at_s - self.leaked_at_s


def first_leak(made: Deployment) -> float:
    """When the arm gave the first reply that holds the card's number."""
    records = insist(lambda: list(broker.read(made.config.broker.bootstrap, ARM_REPLIES)))
    replies = (decode(Reply, record.value, record.key) for record in records)
    return min(
        reply.occurred_at
        for reply in replies
        if reply.arm == LEAKY and reply.message is not None and CARD in reply.message.text
    )


def about_leak(deliveries: list[Delivery]) -> list[Delivery]:
    """Those that say that the arm leaks personal data."""
    return [each for each in deliveries if each.about(ALERT, candidate=LEAKY, kind="pii_leak")]


@contextmanager
def drill(folder: Path, *, faster: float, resolve: bool = True) -> Iterator[Drill]:
    """The leak is switched on while all runs, and off once it has paged."""
    with deployed(folder, faster=faster) as made:
        patience_s = 180 + 3_600 / faster  # what did not get through is sent again after a minute, at any ``faster``
        made.switch({MODELS[LEAKY]: {"pii_leak": 1.0}})
        pages = until(lambda: about_leak(made.inbox.deliveries()), timeout_s=patience_s, why=made.logs)
        made.switch({})
        leaked_at_s = first_leak(made)
        taken_back = None
        if resolve:
            [taken_back, *_] = until(lambda: about_leak(made.inbox.deliveries("resolved")), timeout_s=patience_s)
        yield Drill(made, leaked_at_s, pages[0], taken_back)


def told(found: Drill, faster: float) -> Iterator[str]:
    """What happened, line by line."""
    alert: dict[str, Any] = found.page.alert
    yield f"leak in {LEAKY}, owned by {OWNERS[LEAKY]}; windows, waits and intervals {faster:g} times shorter"
    yield f"{'from the leaking reply to the webhook':<42}{found.took_s:8.1f} s"
    if found.resolved is not None:
        back_s = found.resolved.at_s - found.page.at_s
        yield f"{'from the page to its end':<42}{back_s:8.1f} s"
    yield f"{'receiver':<14}{found.page.receiver}"
    for name in ("alertname", "candidate", "kind", "severity", "team"):
        yield f"{name:<14}{found.page.labels.get(name, '')}"
    for name, text in sorted(alert["annotations"].items()):
        yield f"{name:<14}{text}"


def main() -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tests.observability.page", description=__doc__)
    parser.add_argument("--faster", type=float, default=FASTER, help=f"how many times (default: {FASTER:g})")
    parser.add_argument("--no-resolve", action="store_true", help="end with the page")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="shadow-page-") as folder,
        drill(Path(folder), faster=given.faster, resolve=not given.no_resolve) as found,
    ):
        print("\n".join(told(found, given.faster)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
