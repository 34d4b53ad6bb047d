"""Cross-validation of a cell: train its folds."""

from typing import TYPE_CHECKING

from csam_lightning.cells.cell import Cell
from csam_lightning.training.pool import train_folds

if TYPE_CHECKING:
    from collections.abc import Callable

    from csam_lightning.training.events import Event


def cross_validate(cell: Cell, watch: "Callable[[Event | None], None]") -> None:
    """Train the folds of ``cell`` that this run asks for and that are not finished.

    Args:
        cell: The cell, held by this process alone; folds train one after the other where its settings leave
            ``trainer.processes`` open.
        watch: See :func:`csam_lightning.training.pool.train_folds`.
    """
    jobs = [cell.job(cell.folds[number]) for number in cell.unfinished_numbers]
    train_folds(jobs, processes=cell.config.trainer.processes or 1, watch=watch)
