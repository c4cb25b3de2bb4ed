"""Who is asked: can each arm's adapter be made, has it its key, and does its endpoint answer?

No turn is sent: the endpoint is asked for its list of models, or for what it allows, which costs nothing.
"""

from __future__ import annotations

from typing import Final, Literal

from shadow.doctor.finding import Finding, failed, fine, warned

REFUSED: Final = frozenset({401, 403})
TOO_MANY: Final = 429
REDIRECTS: Final = range(300, 400)
SERVER_ERROR: Final = 500


def not_made(arm: str, why: str) -> Finding:
    """Its adapter cannot be made; the text names field or variable, never a value."""
    return failed(f"arm {arm}", why, "then start its mirror anew")


def no_key(arm: str, variable: str) -> Finding:
    """The variable that the configuration names is not set, or empty."""
    says = f"${variable} is not set: it holds this arm's key"
    return failed(f"arm {arm}", says, f"`export {variable}=...` where the mirror is started, and start it anew")


def in_process(arm: str, target: str) -> Finding:
    """A Python callable that could be loaded."""
    return fine(f"arm {arm}", f"{target} can be loaded")


def on_silence(arm: str, where: str, how: Literal["refused", "silent", "broken"], why: str) -> Finding:
    """The endpoint gave no answer."""
    check = f"arm {arm}"
    if how == "refused":
        return failed(
            check, f"nothing listens at {where} ({why})", "start the model's server, or correct adapter.base_url"
        )
    if how == "silent":
        remedy = f"does it answer by hand? `curl -sS -m 10 {where}`; until it does, turns end as timeout"
        return failed(check, f"{where} accepts and does not answer", remedy)
    return failed(check, f"{where}: {why}", "correct adapter.base_url (or adapter.url): it does not speak HTTP")


def on_answer(arm: str, where: str, status: int, took_s: float, variable: str | None) -> Finding:
    """By the status of what asks for nothing; what does not list its models may answer turns all the same."""
    check, says = f"arm {arm}", f"{where} answered {status} in {1000 * took_s:.0f} ms"
    if status in REFUSED:
        key = f"is ${variable} the right key?" if variable else "it wants a key: set adapter.api_key_env"
        return failed(check, f"{says}: refused", key)
    if status == TOO_MANY:
        return warned(
            check, f"{says}: it wants to be left alone", "lower limits.requests_per_s or limits.max_in_flight"
        )
    if status >= SERVER_ERROR:
        return warned(
            check, f"{says}: its server is in trouble", "ask who runs it; turns end as provider_error until then"
        )
    if status in REDIRECTS:
        return warned(check, f"{says}: a redirect, which no turn follows", "set adapter.base_url to where it points")
    return fine(check, says)
