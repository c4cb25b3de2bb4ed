"""``python -m shadow.conformance FAMILY NAME``: the child process of :func:`shadow.conformance.isolated.examine`.

Prints a JSON line before and after each check, so that its parent knows in which one it hung.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from shadow import plugins
from shadow.conformance import costs, run
from shadow.conformance.isolated import Watch

PURE = "opens no file, socket or process"


def main(family: str, name: str) -> None:
    """Load, try once (what it loads on the first call is its own data), then check."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the plug-in prints is no result

    def say(**fields: Any) -> None:
        print(json.dumps(fields), file=results, flush=True)

    watch = Watch()
    sys.addaudithook(watch)
    say(check="loads")
    try:
        plugin = plugins.load(family, [name])[name]
        costs({family: {name: plugin}}, rounds=1)
    except Exception as error:  # noqa: BLE001 (an outsider's code: whatever it raises is its fault)
        say(check="loads", faults=[f"{error}" if isinstance(error, plugins.PluginError) else f"raises {error!r:.200}"])
        say(end=True)
        return
    say(check="loads", faults=[])
    watch.loading = False
    for check, faults in run(family, plugin, begun=lambda name: say(check=name)):
        say(check=check, faults=faults)
    say(check=PURE, faults=watch.found)
    say(end=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
