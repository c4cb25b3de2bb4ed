"""What the pseudonyms of a conversation stand for: ``python -m shadow.tap.reveal CONVERSATION < transcript``.

For production, where the key and the conversation are: pseudonyms hold nothing, they are made again from the
conversation's own text (plain, JSON or JSON Lines) and printed beside what they replace.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TextIO

from shadow.tap.redaction import MIN_KEY_BYTES, originals


def main(arguments: list[str] | None = None, transcript: TextIO = sys.stdin, out: TextIO = sys.stdout) -> int:
    """Print a line ``pseudonym <tab> original`` for each, in the order of the text. 2 if there is no key."""
    parser = argparse.ArgumentParser(prog="python -m shadow.tap.reveal", description=__doc__)
    parser.add_argument("conversation", help="the conversation's id, as the Tap was given it")
    parser.add_argument("--known", action="append", default=[], metavar="NAME", help="what the Tap was given as known")
    parser.add_argument("--key-env", default="SHADOW_TAP_KEY", metavar="NAME", help="the variable that holds the key")
    given = parser.parse_args(arguments)
    key = os.environ.get(given.key_env, "").encode("utf-8", "surrogateescape")
    if len(key) < MIN_KEY_BYTES:
        sys.stderr.write(
            f"${given.key_env} holds no key of {MIN_KEY_BYTES} bytes or more; set it to production's key\n"
        )
        return 2
    found = originals(transcript.read(), key, given.conversation, tuple(given.known))
    out.writelines(f"{name}\t{original}\n" for name, original in found.items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
