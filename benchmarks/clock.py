"""What pieces of work take inside one process: wall clock, CPU time, memory."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
"""What Linux tells of a process."""


@dataclass(frozen=True)
class Spent:
    """What a piece of work took: seconds on the wall clock, and seconds of CPU time of all threads."""

    wall: float
    cpu: float

    def __add__(self, other: "Spent") -> "Spent":
        """Return what both took together."""
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: "Spent") -> "Spent":
        """Return what is left without ``other``."""
        return Spent(self.wall - other.wall, self.cpu - other.cpu)


class StopWatch:
    """Tells time since it was made or last asked."""

    def __init__(self) -> None:
        """Start."""
        self._since = self._now()

    def lap(self) -> Spent:
        """Return what this process took since, and start anew."""
        before, self._since = self._since, self._now()
        return self._since - before

    @staticmethod
    def _now() -> Spent:
        return Spent(time.perf_counter(), time.process_time())


def timed(work: Callable[[], object]) -> Spent:
    """Return what ``work`` takes."""
    watch = StopWatch()
    work()
    return watch.lap()


def peak_memory() -> int:
    """Return the most memory that this process has held so far, in bytes.

    Linux' own ``ru_maxrss`` counts what the process held that this one was forked from, before its program was started.
    """
    if STATUS.exists():
        return _told("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_now() -> int:
    """Return the memory that this process holds, in bytes; on Linux only."""
    return _told("VmRSS")


def _told(what: str) -> int:
    [line] = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{what}:")]
    return int(line.split()[1]) * 1024
