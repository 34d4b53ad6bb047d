"""A program that serves: started, waited for and ended with the process that started it."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from csam_lightning.errors import RunFailedError

START_SECONDS = 180.0
END_SECONDS = 30.0
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Child:
    """A running program.

    Attributes:
        name: What the user knows it as.
        log: The file that its output is appended to.
        process: The process.
    """

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def check(self) -> None:
        """Check that it runs.

        Raises:
            RunFailedError: It has ended; the message ends with the last line that it said.
        """
        if self.process.poll() is not None:
            lines = self.log.read_text(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
            raise RunFailedError(f"{self.name} has ended, see {self.log}: {last}")

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready`` returns True.

        Raises:
            RunFailedError: The program ended meanwhile, or took longer than ``START_SECONDS``.
        """
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise RunFailedError(f"{self.name} does not answer after {START_SECONDS:.0f} s, see {self.log}")
            time.sleep(0.2)


@contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    end: signal.Signals = signal.SIGTERM,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """Run ``command`` while the block runs.

    It has a session of its own, so that a terminal's Ctrl-C reaches it through this process alone, in its turn. On
    Linux it ends with this process even where that one is killed.

    Args:
        name: What the user knows it as.
        command: The program and its arguments.
        log: File that its output is appended to.
        end: The signal that asks it to end.
        user: As whom it runs, in the group of the same name; None: as this process does.
        environment: Variables it gets besides those of this process.
    """

    def end_with_parent() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, end)

    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            cwd="/",  # a place that ``user`` may be in
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - no threads are running here
        )
    try:
        yield Child(name, log, process)
    finally:
        process.send_signal(end)
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
