"""Tells how far a sweep is while its jobs run, in this process or elsewhere."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from csam_lightning.progress import console
from csam_lightning.sweeps.estimate import FAITH, Pace, seconds_to_go
from csam_lightning.sweeps.folder import JobOutcome, SweepFolder
from csam_lightning.sweeps.plan import SweepPlan

POLL_SECONDS = 1.0


@contextmanager
def progress_told(plan: SweepPlan, folder: SweepFolder, pace: Pace) -> Iterator[None]:
    """Print a line on stderr each time a job of the sweep ends, as long as the block runs."""
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(plan, folder, pace, ended), name="sweep progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(plan: SweepPlan, folder: SweepFolder, pace: Pace, ended: threading.Event) -> None:
    before = _left(plan, {}, pace)
    faith = FAITH * sum(before.values()) if pace.steps else 0.0
    started, told = time.monotonic(), 0
    over = False
    while not over:
        over = ended.wait(POLL_SECONDS)
        outcomes = folder.read()
        if len(outcomes) > told:
            told = len(outcomes)
            left, elapsed = _left(plan, outcomes, pace), time.monotonic() - started
            line = progress_line(outcomes, before, left, elapsed=elapsed, faith=faith)
            console().print(line, markup=False, soft_wrap=True)


def _left(plan: SweepPlan, outcomes: Mapping[int, JobOutcome], pace: Pace) -> dict[int, float]:
    """Return the expected seconds of each job that has not ended; a cell of several jobs costs once."""
    jobs = {job.key.id: job for job in reversed(plan.jobs)}.values()
    costs = {job.number: pace.seconds(job.key) for job in jobs if job.number not in outcomes}
    return {job.number: costs.get(job.number, 0.0) for job in plan.jobs if job.number not in outcomes}


def progress_line(
    outcomes: Mapping[int, JobOutcome],
    before: Mapping[int, float],
    left: Mapping[int, float],
    *,
    elapsed: float,
    faith: float,
) -> str:
    """Return how many jobs are done, failed and left, and the time to go.

    What jobs that are under way have trained counts too, so that it holds for jobs side by side.

    Args:
        outcomes: Jobs that have ended, by number.
        before: What each job of the sweep had to train when it began, in expected seconds.
        left: What each job that has not ended has left to train, likewise.
        elapsed: Seconds since the sweep began.
        faith: See :func:`csam_lightning.sweeps.estimate.seconds_to_go`; 0 where the speed was not measured.
    """
    failed = {number for number, outcome in outcomes.items() if outcome.reason is not None}
    told = f"cells: {len(outcomes) - len(failed)} done, {len(failed)} failed, {len(left)} left"
    to_train = sum(left.values())
    trained = sum(cost for number, cost in before.items() if number not in failed) - to_train
    if to_train and trained + faith > 0:
        to_go = seconds_to_go(left=to_train, trained=max(0.0, trained), elapsed=elapsed, faith=faith)
        told += f"; about {duration(to_go)} to go"
    return told


def duration(seconds: float) -> str:
    """Return a time as a person says it: ``40 s``, ``12 min``, ``3 h 05 min``, ``2 days 5 h``."""
    if seconds < 90:  # noqa: PLR2004 - below, minutes are too coarse
        return f"{seconds:.0f} s"
    days, whole_hours = divmod(round(seconds / 3600), 24)
    if days:
        return f"{days} day{'s' if days > 1 else ''} {whole_hours} h"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
