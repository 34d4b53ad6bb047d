"""What ``python -m csam_lightning.check`` does: validate images and manifest, and tell what the data set holds."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from omegaconf import DictConfig

from csam_lightning.cells.sources import source_of
from csam_lightning.cli import typed
from csam_lightning.config import DataConfig, check_data_values, check_seed
from csam_lightning.data.folds import check_folds
from csam_lightning.data.inspection import inspect_images
from csam_lightning.data.manifest import Manifest, read_manifest
from csam_lightning.data.problems import Problem, errors_in, warnings_in
from csam_lightning.data.selection import check_classes
from csam_lightning.data.summary import summary, training_scans
from csam_lightning.errors import InputError
from csam_lightning.wording import counted


@dataclass(frozen=True)
class CheckConfig:
    """``conf/check.yaml``: the data set to validate."""

    data: DataConfig
    seed: int
    cache_dir: str


def check_dataset(config: DictConfig) -> None:
    """Print all findings and what the data set holds, on stdout.

    Raises:
        InputError: A setting makes no sense, or there are errors.
    """
    settings = typed(config, CheckConfig)
    check_data_values(settings.data)
    check_seed(settings.seed)
    root = source_of(settings.data, settings.cache_dir).root()
    manifest, problems = read_manifest(
        root,
        classes=settings.data.classes,
        package_pattern=settings.data.package_pattern,
        need_packages=settings.data.protocol == "grouped",
    )
    lines: list[str] = []
    if manifest is not None:
        images, found = inspect_images(manifest, settings.data.colours)
        problems = sorted(problems + found, key=lambda problem: problem.row)
        problems += _size_problems(manifest, settings)
        if not errors_in(problems):
            problems += _split_problems(manifest, settings)
        data = settings.data
        lines = list(summary(manifest, images, protocol=data.protocol.value, num_folds=data.num_folds))
    errors, warnings = errors_in(problems), warnings_in(problems)
    verdict = f"{counted(len(errors), 'error')}, {counted(len(warnings), 'warning')}"
    sys.stdout.write("\n".join([*map(str, errors), *map(str, warnings), *lines, verdict]) + "\n")
    if errors:
        sys.stdout.flush()
        raise InputError(verdict, where=str(root), mend="mend what is listed above")


def _size_problems(manifest: Manifest, settings: CheckConfig) -> Iterator[Problem]:
    """Yield what training would say of the data size and the number of folds; nothing where no package is known."""
    table = training_scans(manifest)
    if not len(table):
        return
    data = settings.data
    if data.protocol == "grouped" and table["package_id"].isna().all():
        return
    try:
        errors = check_classes(
            table,
            data.size,
            classes=manifest.classes,
            protocol=data.protocol.value,
            num_folds=data.num_folds,
            seed=settings.seed,
        )
    except InputError as error:
        errors = [error]
    yield from map(Problem.of, errors)


def _split_problems(manifest: Manifest, settings: CheckConfig) -> Iterator[Problem]:
    """Yield what keeps the packages from being split into folds."""
    data = settings.data
    try:
        check_folds(
            training_scans(manifest),
            classes=manifest.classes,
            size=data.size,
            protocol=data.protocol.value,
            num_folds=data.num_folds,
            seed=settings.seed,
        )
    except InputError as error:
        yield Problem.of(error)
