"""What a command and everything it starts take: wall clock, CPU time, memory. Reads /proc, so it needs Linux."""

import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS, MOST_SECONDS = 0.2, 1.0
"""Between two samples of a command that has just begun, and of one that takes minutes: each takes a core 2 ms."""
SAMPLE_SHARE = 0.005
"""In between: of the time since its start."""
LAST_WORDS = 2000
"""Signs of what a failed command said that are shown."""
MEMORY_SHARE = 0.005
"""Of the time, at most, that looking at memory takes: the kernel counts every page."""


class CommandFailedError(Exception):
    """A command that was to be measured has failed."""


@dataclass(frozen=True)
class Taken:
    """What a command took.

    Attributes:
        wall: Seconds on the wall clock.
        cpu: Seconds of CPU time of all its processes, those that ended between two samples but for what they took since
            the first of the two, at most 0.2 s in short commands, 1 s in those of minutes.
        memory: Most bytes that they held at once, shared pages counted once.
    """

    wall: float
    cpu: float
    memory: int


def environment() -> dict[str, str]:
    """Return the environment of a command in another folder: it finds what this process imports, and tells nobody."""
    path = os.pathsep.join(part for part in sys.path if part)
    return {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": path}


def observe(command: Sequence[str], *, folder: Path) -> Taken:
    """Run ``command`` in ``folder`` and return what it took.

    Raises:
        CommandFailedError: Its exit status is not 0; the message holds the end of what it said.
    """
    with (folder / "said.txt").open("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - the benchmark's own commands
            command, cwd=folder, env=environment(), stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            cpu, memory = _watched(process)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        wall = time.perf_counter() - began
        if process.returncode:
            said.seek(0)
            raise CommandFailedError(f"{shlex.join(command)} failed:\n{said.read()[-LAST_WORDS:]}")
    return Taken(wall, cpu, memory)


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """Return CPU seconds and peak memory of a process and all that it starts, once it has ended."""
    seen: dict[int, float] = {}
    memory, due, began = 0, 0.0, time.perf_counter()
    while not _ended(process, within=_pause(time.perf_counter() - began)):
        members = _session(process.pid)
        seen |= members
        looked = time.perf_counter()
        if looked >= due:
            memory = max(memory, sum(map(_memory, members)))
            now = time.perf_counter()
            due = now + (now - looked) / MEMORY_SHARE
    return sum(seen.values()), memory


def _pause(elapsed: float) -> float:
    """Return the seconds until the next sample, so many after the command's start."""
    return min(MOST_SECONDS, max(SAMPLE_SECONDS, SAMPLE_SHARE * elapsed))


def _ended(process: subprocess.Popen[bytes], *, within: float) -> bool:
    """Wait for a process to end, ``within`` seconds at most, and return whether it has, at the moment it has."""
    descriptor = os.pidfd_open(process.pid)
    try:
        select.select([descriptor], [], [], within)
    finally:
        os.close(descriptor)
    return process.poll() is not None


def _session(leader: int) -> dict[int, float]:
    """Return the CPU seconds of every process of the session that ``leader`` leads, by process id."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == leader:
            found[int(status.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _memory(process: int) -> int:
    """Return the proportional set size of a process, in bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
