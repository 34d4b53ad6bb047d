"""Which jobs of a sweep Hydra launches: those that its plan found possible."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins

from csam_lightning.sweeps.closing import begun


class PlannedSweeper(BasicSweeper):
    """Hydra's sweeper of grids without the jobs that are known to be impossible, whatever launches the others.

    Hydra numbers the jobs that are left without gaps, as the plan does.
    """

    @staticmethod
    def split_arguments(overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:  # noqa: ARG004
        """Return the overrides of the begun sweep's jobs, in batches; ``overrides`` are what its plan was made of."""
        jobs = [list(job.overrides) for job in begun[-1].plan.jobs]
        return list(BasicSweeper.split_overrides_to_chunks(jobs, max_batch_size))


def launch_planned_jobs_only() -> None:
    """Let this process have :class:`PlannedSweeper` where Hydra's sweeper of grids is asked for.

    Hydra takes sweepers from its own packages alone, so the class stands in under that one's name. Other sweepers stay
    as they are.
    """
    name = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"
    Plugins.instance().class_name_to_class[name] = PlannedSweeper
