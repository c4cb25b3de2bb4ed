"""Seeded draws by hashing: the same parts give the same number, whatever was drawn before."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, TypeVar

T = TypeVar("T")

_SCALE: Final = 2.0**-64
_NORMAL: Final = NormalDist()
_EDGE: Final = 1e-12


def digest(*parts: object) -> bytes:
    """Eight bytes that depend on each part and on their order."""
    text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).digest()


def unit(*parts: object) -> float:
    """A number in 0..1, uniform over different parts."""
    return int.from_bytes(digest(*parts)) * _SCALE


def pick(options: Sequence[T], *parts: object) -> T:
    """One of ``options``, which must not be empty."""
    return options[min(int(unit(*parts) * len(options)), len(options) - 1)]


def log_normal(median: float, sigma: float, *parts: object) -> float:
    """A log-normal draw with that median; ``sigma`` is the standard deviation of the logarithm."""
    u = min(max(unit(*parts), _EDGE), 1 - _EDGE)
    return median * math.exp(sigma * _NORMAL.inv_cdf(u))
