"""A sweep from the launching process's side: told before, watched while it runs, summed up whatever happens."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.cells.locks import sweep_locked_if_free
from csam_lightning.cells.settling import settle
from csam_lightning.cells.shares import check_launcher
from csam_lightning.errors import InputError
from csam_lightning.sweeps.closing import SweepRefusedError, begun
from csam_lightning.sweeps.folder import SweepFolder
from csam_lightning.sweeps.launching import launch_planned_jobs_only
from csam_lightning.sweeps.pace import expected_pace
from csam_lightning.sweeps.plan import SweepPlan, plan_sweep
from csam_lightning.sweeps.ray import prepare_ray
from csam_lightning.sweeps.summary import LOST, Summary, grouped, print_summary, sum_up_sweep, write_summary
from csam_lightning.sweeps.watch import progress_told
from csam_lightning.tracking.store import store_uri, without_password
from csam_lightning.tracking.sweep_run import SweepRun
from csam_lightning.wording import counted


class Sweep:
    """A sweep that this process has begun.

    Args:
        config: The multirun's composed configuration, with its ``hydra`` node.
    """

    def __init__(self, config: DictConfig) -> None:
        """Plan it, say what it is going to do, and show it in MLflow as running.

        Raises:
            InputError: No job's settings and data are sound, or the store's address is none.
        """
        store_uri(config.tracking.uri)
        self.folder = SweepFolder(Path(config.hydra.sweep.dir).absolute())
        self.plan = plan_sweep(config)
        if not self.plan.cells:
            raise InputError(
                f"none of the sweep's {len(self.plan.impossible)} jobs can run",
                where="configuration",
                mend=f"the first, {self.plan.impossible[0].label}, says: {self.plan.impossible[0].reason}",
            )
        output = Path(config.output_dir).expanduser()
        self.run = SweepRun(
            output / "grids" / self.plan.id, uri=config.tracking.uri, experiment=config.tracking.experiment
        )
        settle(cells=output / "cells", grids=output / "grids", uri=config.tracking.uri)
        self._open = ExitStack()
        self._leads = self._open.enter_context(sweep_locked_if_free(self.run.folder))
        self.folder.write_grid(self.run.folder)
        print(told(self.plan), flush=True)  # noqa: T201 - what the user reads before anything starts
        pace = expected_pace(self.plan, config.hydra.launcher)
        self.run.describe(*_description(self.plan, config))
        if self._leads:
            self.run.begin()
        self._telling = ExitStack()
        self._telling.enter_context(progress_told(self.plan, self.folder, pace))

    def close(self, *, over: bool, lost: str = LOST) -> Summary:
        """Sum up and tell what came out; end the sweep's run.

        Args:
            over: Whether Hydra came to the end of the jobs.
            lost: Why the jobs that have said nothing by then have failed.
        """
        with self._open:
            self._telling.close()
            summary = sum_up_sweep(self.plan, self.folder, over=over, lost=lost)
            print_summary(summary)
            files = write_summary(summary, self.folder.path)
            for file in files:
                print(f"{'figure ' if file.suffix == '.png' else 'summary'}  {file}")  # noqa: T201
            status = "FAILED" if summary.failed else "FINISHED" if over else "KILLED"
            counts = {f"cells/{outcome}": count for outcome, count in summary.counts.items()}
            if self._leads:
                self.run.close(status, counts, files)
        return summary


class BeginSweep(Callback):
    """Hydra's hook before a multirun; for the end see :func:`csam_lightning.sweeps.closing.sweep_closed`."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Begin the sweep.

        Raises:
            SweepRefusedError: Something is wrong that no cell of the sweep could do without.
        """
        try:
            check_launcher(config.hydra.launcher)
            prepare_ray(config.hydra.launcher)
            begun.append(Sweep(config))
            launch_planned_jobs_only()
        except (InputError, HydraException, OmegaConfBaseException, OSError) as error:
            raise SweepRefusedError(error) from error


def told(plan: SweepPlan) -> str:
    """Return what the sweep is going to do, for a person."""
    there = f"{plan.finished} {'is' if plan.finished == 1 else 'are'} there already"
    trained = f"{counted(plan.trainings, 'training')} (folds), of which {there}"
    lines = [f"sweep {plan.id}: {counted(len(plan.cells), 'cell')}, {trained}"]
    if len(plan.jobs) > len(plan.cells):
        lines.append(f"{len(plan.jobs)} jobs ask for them; a cell that is asked for again is trained once")
    if plan.impossible:
        reasons = grouped((job.label, job.reason) for job in plan.impossible)
        lines += ["Impossible, and left out:", *(f"  {reason}" for reason in reasons)]
    return "\n".join(lines)


def _description(plan: SweepPlan, config: DictConfig) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the name, the params and the tags of a sweep's run."""
    chosen = config.hydra.runtime.choices.get("experiment")
    name = f"{chosen or 'grid'} · {counted(len(plan.cells), 'cell')}"
    swept = OmegaConf.to_container(config.hydra.sweeper.params or OmegaConf.create({}))
    assert isinstance(swept, dict)  # noqa: S101 - Hydra's own schema says so
    params = {str(axis): str(values) for axis, values in swept.items()}
    asked = (override.lstrip("+~").partition("=") for override in config.hydra.overrides.task)
    params |= {name: without_password(value) if name == "tracking.uri" else value for name, _, value in asked}
    return name, params, {"sweep.id": plan.id}
