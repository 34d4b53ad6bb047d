"""A step of ``images`` in a process of its own, timed once all that it loads at its first use is there."""

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.clock import peak_memory, timed
from csam_lightning.data.manifest import Manifest, load_manifest

SIDE = 32
"""Pixels of a scan's side, in its file and in the cache."""

Work = Callable[[], object]


def _check(root: Path, _: Path) -> Work:
    from hydra import compose, initialize_config_module

    from csam_lightning.check_dataset import check_dataset

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


def seconds(step: str, root: Path, few: Path, folder: Path) -> float:
    """Return the seconds that a step takes, after it was done once for another data set.

    Args:
        step: One of ``STEPS``.
        root: Data set.
        few: A small one for the first time.
        folder: For the caches; that of ``root`` is ``cache`` there.
    """
    STEPS[step](few, folder / "warm-up")()
    return timed(STEPS[step](root, folder / "cache")).wall


if __name__ == "__main__":
    name, *paths = sys.argv[1:]
    *folders, told = map(Path, paths)
    told.write_text(json.dumps({"seconds": seconds(name, *folders), "memory": peak_memory()}))
