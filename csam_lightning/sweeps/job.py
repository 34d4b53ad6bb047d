"""A job of a sweep: one cell, whose outcome is left in the sweep's folder."""

import logging
import sys
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.cells.composed import prepare, run_prepared
from csam_lightning.cli import one_line
from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.sweeps.folder import JobOutcome, SweepFolder
from csam_lightning.tracking.sweep_run import SweepRun

if TYPE_CHECKING:
    from csam_lightning.cells.cell import Cell

log = logging.getLogger(__name__)


def run_job(composed: DictConfig, folder: Path) -> None:
    """Run a cell of a sweep and record how it ended; its failure ends no other cell.

    Args:
        composed: The cell's composed configuration.
        folder: Folder for its results.
    """
    hydra = HydraConfig.get()
    sweep, number = SweepFolder(Path(hydra.sweep.dir).absolute()), int(hydra.job.num)
    overrides = " ".join(hydra.overrides.task)
    cell: Cell | None = None
    reason = None
    try:
        cell = prepare(composed)
        uri, experiment = composed.tracking.uri, composed.tracking.experiment
        run_prepared(composed, cell, folder, sweep=SweepRun(sweep.read_grid(), uri=uri, experiment=experiment))
    except (InputError, OmegaConfBaseException, RunFailedError, OSError) as error:
        reason = one_line(error)
        log.error("%s", reason)  # noqa: TRY400 - a known failure: its line says it all
    except Exception as error:
        if _queued_again(error):
            sys.exit("preempted: Slurm has queued this job again")
        reason = f"{type(error).__name__}: {error}"
        log.exception("the cell failed")
    sweep.write(
        JobOutcome(number, cell.id if cell else None, cell.name if cell else overrides, str(folder.absolute()), reason)
    )


def _queued_again(error: Exception) -> bool:
    """Return whether ``error`` came of submitit's asking Slurm to queue this job again.

    Slurm then ends everything in the job, which may be the asking too; the job's next start goes on where this one was.
    """
    return isinstance(error, CalledProcessError) and list(error.cmd[:2]) == ["scontrol", "requeue"]
