"""Tells how far a sweep is while its jobs run, in this process or elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from csam_lightning.progress import console
from csam_lightning.sweeps.folder import JobOutcome, SweepFolder
from csam_lightning.sweeps.plan import SweepPlan, work

POLL_SECONDS = 1.0


@contextmanager
def progress_told(plan: SweepPlan, folder: SweepFolder) -> Iterator[None]:
    """Print a line on stderr each time a job of the sweep ends, as long as the block runs."""
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(plan, folder, ended), name="sweep progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(plan: SweepPlan, folder: SweepFolder, ended: threading.Event) -> None:
    costs = {job.number: work(job.key) if job.key else 0.0 for job in plan.jobs}
    started, told = time.monotonic(), 0
    over = False
    while not over:
        over = ended.wait(POLL_SECONDS)
        outcomes = folder.read()
        if len(outcomes) > told:
            told = len(outcomes)
            line = progress_line(outcomes, costs, elapsed=time.monotonic() - started)
            console().print(line, markup=False, soft_wrap=True)


def progress_line(outcomes: dict[int, JobOutcome], costs: dict[int, float], *, elapsed: float) -> str:
    """Return how many jobs are done, failed and left, and the time to go.

    Args:
        outcomes: Jobs that have ended, by number.
        costs: What each job of the sweep had to train when it began, in any unit.
        elapsed: Seconds since the sweep began.
    """
    failed = sum(outcome.reason is not None for outcome in outcomes.values())
    left = [number for number in costs if number not in outcomes]
    told = f"cells: {len(outcomes) - failed} done, {failed} failed, {len(left)} left"
    trained = sum(costs[number] for number, outcome in outcomes.items() if outcome.reason is None)
    if left and trained:
        told += f"; about {duration(elapsed / trained * sum(costs[number] for number in left))} to go"
    return told


def duration(seconds: float) -> str:
    """Return a time as a person says it: ``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:  # noqa: PLR2004 - below, minutes are too coarse
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
