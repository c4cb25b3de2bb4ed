"""When to ask an arm again after a call has failed."""

from __future__ import annotations

from shadow.config import Limits


def wait_before_retry(
    limits: Limits, *, attempt: int, elapsed_s: float, retry_after_s: float | None, chance: float
) -> float | None:
    """Seconds to wait before attempt ``attempt + 1``; None: give up.

    The wait is ``chance`` (uniform in 0..1) times a bound that doubles with each attempt ("full jitter"), or what the
    server asked for by Retry-After if that is longer. A wait that would end past the deadline is not begun.
    Source: M. Brooker, "Exponential Backoff And Jitter", 2015.
    """
    if attempt >= limits.attempts:
        return None
    wait = max(chance * limits.backoff_s * 2 ** (attempt - 1), retry_after_s or 0.0)
    return wait if elapsed_s + wait < limits.deadline_s else None
