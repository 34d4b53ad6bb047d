"""A sweep from the launching process's side: told before, watched while it runs, summed up whatever happens."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from csam_lightning.cli import typed
from csam_lightning.config import TrainConfig, check_values
from csam_lightning.locks import sweep_locked_if_free
from csam_lightning.sweeps.closing import begun
from csam_lightning.sweeps.folder import SweepFolder
from csam_lightning.sweeps.plan import SweepPlan, plan_sweep
from csam_lightning.sweeps.ray import prepare_ray
from csam_lightning.sweeps.summary import Summary, print_summary, sum_up_sweep, write_summary
from csam_lightning.sweeps.watch import progress_told
from csam_lightning.tracking.settling import settle
from csam_lightning.tracking.store import store_uri, without_password
from csam_lightning.tracking.sweep_run import SweepRun


class Sweep:
    """A sweep that this process has begun.

    Args:
        config: The multirun's composed configuration, with its ``hydra`` node.
    """

    def __init__(self, config: DictConfig) -> None:
        """Plan it, say what it is going to do, and show it in MLflow as running."""
        self.folder = SweepFolder(Path(config.hydra.sweep.dir).absolute())
        self.plan = plan_sweep(config, job_settings)
        output = Path(config.output_dir).expanduser()
        self.run = SweepRun(
            output / "grids" / self.plan.id, uri=config.tracking.uri, experiment=config.tracking.experiment
        )
        settle(cells=output / "cells", grids=output / "grids", uri=config.tracking.uri)
        self._open = ExitStack()
        self._leads = self._open.enter_context(sweep_locked_if_free(self.run.folder))
        self.folder.write_grid(self.run.folder)
        print(told(self.plan))  # noqa: T201 - what the user reads before anything starts
        self.run.describe(*_description(self.plan, config))
        if self._leads:
            self.run.begin()
        self._telling = ExitStack()
        self._telling.enter_context(progress_told(self.plan, self.folder))

    def close(self, *, over: bool) -> Summary:
        """Sum up and tell what came out; end the sweep's run.

        Args:
            over: Whether Hydra came to the end of the jobs.
        """
        with self._open:
            self._telling.close()
            summary = sum_up_sweep(self.plan, self.folder, over=over)
            print_summary(summary)
            files = write_summary(summary, self.folder.path)
            print(f"summary  {self.folder.path / 'summary.csv'}")  # noqa: T201
            status = "FAILED" if summary.failed else "FINISHED" if over else "KILLED"
            counts = {"cells/done": len(summary.done), "cells/failed": len(summary.failed)}
            if self._leads:
                self.run.close(status, counts, files)
        return summary


class BeginSweep(Callback):
    """Hydra's hook before a multirun; for the end see :func:`csam_lightning.sweeps.closing.sweep_closed`."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Begin the sweep."""
        prepare_ray(config.hydra.launcher)
        begun.append(Sweep(config))


def job_settings(composed: DictConfig) -> TrainConfig:
    """Return a job's checked settings.

    Raises:
        InputError: A value makes no sense.
        OmegaConfBaseException: An interpolation cannot be resolved, or a mandatory value is not given.
    """
    config = typed(composed, TrainConfig)
    check_values(config)
    store_uri(config.tracking.uri)
    return config


def told(plan: SweepPlan) -> str:
    """Return what the sweep is going to do, for a person."""
    trained = f"{plan.trainings} trainings (folds), of which {plan.finished} are there already"
    lines = [f"sweep {plan.id}: {len(plan.cells)} cells, {trained}"]
    bad = [job for job in plan.jobs if job.key is None]
    if len(plan.jobs) - len(bad) > len(plan.cells):
        lines.append(f"{len(plan.jobs) - len(bad)} jobs ask for them; a cell that is asked for again is trained once")
    if bad:
        lines += ["These will fail, the others go on:", *(f"  {job.label}: {job.reason}" for job in bad)]
    return "\n".join(lines)


def _description(plan: SweepPlan, config: DictConfig) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the name, the params and the tags of a sweep's run."""
    chosen = config.hydra.runtime.choices.get("experiment")
    name = f"{chosen or 'grid'} · {len(plan.cells)} cells"
    swept = OmegaConf.to_container(config.hydra.sweeper.params or OmegaConf.create({}))
    assert isinstance(swept, dict)  # noqa: S101 - Hydra's own schema says so
    params = {str(axis): str(values) for axis, values in swept.items()}
    asked = (override.lstrip("+~").partition("=") for override in config.hydra.overrides.task)
    params |= {name: without_password(value) if name == "tracking.uri" else value for name, _, value in asked}
    return name, params, {"sweep.id": plan.id}
