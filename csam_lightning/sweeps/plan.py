"""What a sweep is going to do: its cells, in the order in which Hydra launches them."""

import copy
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.cells.composed import cell_settings
from csam_lightning.cells.identity import CellKey, read_data, settled
from csam_lightning.cells.sources import source_of
from csam_lightning.cli import one_line
from csam_lightning.config import TrainConfig
from csam_lightning.data.folds import check_folds
from csam_lightning.data.scans import identify
from csam_lightning.data.summary import training_scans
from csam_lightning.errors import InputError
from csam_lightning.progress import track

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

    from csam_lightning.data.manifest import Manifest


@dataclass(frozen=True)
class PlannedJob:
    """One job of a sweep.

    Attributes:
        number: Its number, as Hydra counts the jobs that it launches.
        label: The overrides that set it apart from the other jobs.
        key: Its cell.
        overrides: All its overrides.
    """

    number: int
    label: str
    key: CellKey
    overrides: Sequence[str]


@dataclass(frozen=True)
class ImpossibleJob:
    """One job that is never launched: its settings or data are bad.

    Attributes:
        label: The overrides that set it apart from the other jobs.
        reason: What is bad about them, in one line.
    """

    label: str
    reason: str


@dataclass(frozen=True)
class SweepPlan:
    """All jobs of a sweep: those to launch, and those that are known to be impossible."""

    jobs: tuple[PlannedJob, ...]
    impossible: tuple[ImpossibleJob, ...] = ()

    @cached_property
    def cells(self) -> dict[str, CellKey]:
        """The cells to train by id, each once."""
        return {job.key.id: job.key for job in self.jobs}

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that stand for the set of cells: equal grids are the same sweep taken up again."""
        asked = sorted({*self.cells, *(job.label for job in self.impossible)})
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]

    @property
    def trainings(self) -> int:
        """Folds to train in all cells, finished ones included."""
        return sum(len(key.chosen_numbers) for key in self.cells.values())

    @property
    def finished(self) -> int:
        """Folds that are trained already."""
        return sum(len(key.chosen_numbers) - len(key.unfinished_numbers) for key in self.cells.values())


def plan_sweep(config: DictConfig) -> SweepPlan:
    """Work out the cells that a multirun asks for.

    Args:
        config: The multirun's composed configuration, with its ``hydra`` node.

    Raises:
        HydraException: The command line cannot be read.
    """
    loader = GlobalHydra.instance().config_loader()
    jobs = _jobs(config, loader)
    known: dict[str, tuple[Manifest, str, bool]] = {}
    common = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
    planned: list[PlannedJob] = []
    impossible: list[ImpossibleJob] = []
    for overrides in track(jobs, description="planning the sweep", total=len(jobs)):
        label = " ".join(override for override in overrides if override not in common)
        try:
            key = _key(cell_settings(_composed(config, loader, overrides)), known)
        except (InputError, OmegaConfBaseException) as error:
            impossible.append(ImpossibleJob(label, one_line(error)))
        else:
            planned.append(PlannedJob(len(planned), label, key, overrides))
    return SweepPlan(tuple(planned), tuple(impossible))


def _jobs(config: DictConfig, loader: "ConfigLoader") -> list[list[str]]:
    """Return each job's overrides, as Hydra's basic sweeper makes them of the command line and the experiment."""
    params = config.hydra.sweeper.params or {}
    arguments = [*(f"{name}={value}" for name, value in params.items()), *config.hydra.overrides.task]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    return [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]


def _composed(config: DictConfig, loader: "ConfigLoader", overrides: Iterable[str]) -> DictConfig:
    composed = copy.deepcopy(loader.load_sweep_config(config, list(overrides)))
    with read_write(composed), open_dict(composed):
        del composed["hydra"]
    return composed


def _key(config: TrainConfig, known: dict[str, tuple["Manifest", str, bool]]) -> CellKey:
    """Return the cell of ``config``; each data set is read once, however many cells it has."""
    config = settled(config)
    data = config.data
    source = repr((source_of(data, config.cache_dir), data.classes, data.package_pattern, data.protocol))
    if source not in known:
        manifest = read_data(config)
        known[source] = (manifest, *identify(manifest))
    manifest, digest, plain = known[source]
    scans = training_scans(manifest)
    check_folds(
        scans,
        classes=manifest.classes,
        size=data.size,
        protocol=data.protocol.value,
        num_folds=data.num_folds,
        seed=config.seed,
    )
    return CellKey(config, manifest.classes, digest, len(scans), plain)
