"""Notices a kafka-python call that does not return. Standard library alone: the Tap watches with it inside production.

kafka-python 3.0.12 waits without limit for its own event loop, whatever time-out ``poll``, ``commit`` or a producer's
constructor was given; now and then, on a loaded machine, the loop never answers. What to do then is the caller's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self

HANG_S: Final = 10.0
"""A call that takes longer is hanging: a poll is given a quarter of a second, a commit five, a connection five."""

GIVE_UP_S: Final = 60.0
"""A call that was found hanging, and has gone on so long since it began, hangs for good."""

LOOK_S: Final = 1.0


class HangWatch:
    """A thread that watches one client, as a context manager; each call of the client stands in :meth:`call`.

    A call may take ``patience`` times :data:`HANG_S`. ``hangs`` is called once, with the seconds that a call has taken;
    ``gives_up`` likewise if that call still goes on. Both run on the watch's thread.
    """

    def __init__(
        self,
        hangs: Callable[[float], object],
        gives_up: Callable[[float], object] = lambda _seconds: None,
        *,
        patience: float = 1.0,
    ) -> None:
        self._patience = patience
        self._hangs = hangs
        self._gives_up = gives_up
        self._ended = threading.Event()
        self._begun: float | None = None
        self.stopped = False
        """Whether a call of the client was found hanging: the client must not be used again."""

    @contextmanager
    def call(self) -> Iterator[None]:
        """A call of the client, which may hang."""
        self._begun = time.monotonic()
        try:
            yield
        finally:
            self._begun = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="hang-watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            begun = self._begun
            took_s = 0.0 if begun is None else time.monotonic() - begun
            if took_s > HANG_S * self._patience and not self.stopped:
                self.stopped = True
                self._hangs(round(took_s, 1))
            elif self.stopped and took_s > GIVE_UP_S:
                self._gives_up(round(took_s, 1))
                return
