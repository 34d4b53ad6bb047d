"""Cross-validation of a cell: train its folds."""

import logging
import os
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from csam_lightning.evaluation.cell import Cell
from csam_lightning.training.pool import train_folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from csam_lightning.training.events import Event

log = logging.getLogger(__name__)


def cross_validate(cell: Cell, watch: "Callable[[Event | None], None]") -> None:
    """Train the folds of ``cell`` that this run asks for and that are not finished.

    Where another process trains the same cell, wait for it and take its folds.

    Args:
        cell: The cell.
        watch: See :func:`csam_lightning.training.pool.train_folds`.
    """
    cell.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(cell.folder / "training.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("another process trains cell %s: waiting for it", cell.id)
        lock.acquire()
    try:
        jobs = [cell.job(fold) for fold in cell.chosen_folds if not cell.fold_folder(fold.number).finished]
        processes = cell.config.trainer.processes or max(1, usable_cores() // cell.config.trainer.threads_per_fold)
        train_folds(jobs, processes=processes, watch=watch)
    finally:
        lock.release()


def usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
