"""Worker processes never outlive, nor answer for, the process that started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import heed_interrupts
from tests.simulation.test_simulate_command import ROOT, TINY

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds worker processes through /proc")
LONG = [*TINY, "simulation.packages.Ag=200", "processes=2"]
PATIENCE = 60  # seconds; a busy machine must not fail a test


def descendants(pid: int) -> set[int]:
    """Return the process ids of all processes below ``pid``."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child, *descendants(child)}
    return found


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def workers(pid: int) -> set[int]:
    found = descendants(pid)
    return {one for one in found if alive(one) and b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()}


def until(condition: Callable[[], object]) -> bool:
    """Wait until ``condition`` holds; return whether it came to hold."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def simulation(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "csam_lightning.simulate", f"output={tmp_path / 'set'}", *LONG]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads are running here
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_killing_the_parent_leaves_no_worker(simulation: "subprocess.Popen[str]", tmp_path: Path) -> None:
    assert until(lambda: len(workers(simulation.pid)) == 2)
    assert until(lambda: list(tmp_path.glob(".set-*/images/*.png")))
    below = descendants(simulation.pid)
    simulation.kill()
    simulation.wait()
    assert until(lambda: not any(map(alive, below)))


def test_interrupt_during_start_up_ends_without_a_traceback(simulation: "subprocess.Popen[str]") -> None:
    assert until(lambda: len(workers(simulation.pid)) == 2)
    os.killpg(simulation.pid, signal.SIGINT)  # as a terminal does: to all processes at once
    _, said = simulation.communicate(timeout=PATIENCE)
    assert simulation.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("error: interrupted")


def test_a_killed_worker_ends_the_run_with_one_line_and_leaves_nothing(
    simulation: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert until(lambda: list(tmp_path.glob(".set-*/images/*.png")))
    os.kill(min(workers(simulation.pid)), signal.SIGKILL)
    _, said = simulation.communicate(timeout=PATIENCE)
    assert simulation.returncode == 1
    assert "Traceback" not in said
    assert said.splitlines()[-1] == (
        "error: a worker process was killed, most likely for want of memory: free some and run it again"
    )
    assert not list(tmp_path.iterdir())
