"""A step of ``images`` in a process of its own, timed once all that it loads at its first use is there."""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.clock import StopWatch, memory_now, peak_memory
from csam_lightning.data.manifest import Manifest, load_manifest
from csam_lightning.machine.memory import return_freed_memory

SIDE = 32
"""Pixels of a scan's side, in its file and in the cache."""

Work = Callable[[], object]


def _check(root: Path, _: Path) -> Work:
    from hydra import compose, initialize_config_module

    from csam_lightning.commands.check import check_dataset

    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        config = compose("check", ["data=folder", f"data.root={root.absolute()}", "data.size=null"])
    return partial(check_dataset, config)


def _read(root: Path, _: Path) -> Work:
    return partial(_manifest, root)


def _cache(root: Path, cache: Path) -> Work:
    from csam_lightning.data.scans import cached_scans

    return partial(cached_scans, _manifest(root), SIDE, cache)


def _folds(root: Path, _: Path) -> Work:
    from csam_lightning.data.folds import make_folds

    manifest = _manifest(root)
    names = manifest.classes
    return partial(make_folds, manifest.table, classes=names, size=None, protocol="grouped", num_folds=5, seed=0)


def _manifest(root: Path) -> Manifest:
    return load_manifest(root, classes=None, package_pattern=None, need_labels=True, need_packages=True)


STEPS: Mapping[str, Callable[[Path, Path], Work]] = {
    "check": _check,
    "manifest": _read,
    "cache": _cache,
    "folds": _folds,
}
"""What is done with a data set before a cell trains: folder of the data set, folder of the cache → the step."""


@dataclass(frozen=True)
class Step:
    """What a step took.

    Attributes:
        seconds: On the wall clock.
        memory: Most bytes that its processes held.
        kept: Bytes that its process held once the step was done, with what came of it, and had given back what was
            freed; None where no one asked.
    """

    seconds: float
    memory: int
    kept: int | None = None


def measure(step: str, root: Path, few: Path, folder: Path) -> Step:
    """Return what a step takes, after it was done once for another data set.

    Args:
        step: One of ``STEPS``.
        root: Data set.
        few: A small one for the first time.
        folder: For the caches; that of ``root`` is ``cache`` there.
    """
    STEPS[step](few, folder / "warm-up")()
    work = STEPS[step](root, folder / "cache")
    watch = StopWatch()
    made = work()
    seconds = watch.lap().wall
    return_freed_memory()
    kept = memory_now()
    del made
    return Step(seconds, peak_memory(), kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image_steps", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("root", type=Path, help="data set")
    parser.add_argument("few", type=Path, help="a small one for the first time")
    parser.add_argument("folder", type=Path, help="for caches")
    parser.add_argument("told", type=Path, help="JSON file to write the figures to")
    given = parser.parse_args()
    given.told.write_text(json.dumps(asdict(measure(given.step, given.root, given.few, given.folder))))
