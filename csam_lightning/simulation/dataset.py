"""The simulated data set on disk: scans, manifest, truth."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import yaml
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from csam_lightning.errors import InputError
from csam_lightning.files import folder_written_atomically
from csam_lightning.processes import usable_cores
from csam_lightning.progress import track
from csam_lightning.simulation.checks import check_config
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.imaging import build_interface, take_scan
from csam_lightning.simulation.inspection import Inspection, choose_test_scans, inspect_all
from csam_lightning.simulation.package import PackageId
from csam_lightning.simulation.specimen import make_specimen
from csam_lightning.simulation.workers import Pool, worker_pool

SIMULATOR_VERSION = 1
"""Part of a cached data set's name: raise it whenever the same config gives other images, labels or files."""

MANIFEST_COLUMNS = ["path", "label", "package_id", "metallization", "cycles", "split"]
TRUTH_COLUMNS = [*MANIFEST_COLUMNS, "lot", "true_label", "die_pad_share", "bond_pad_share", "mask"]
_PACKAGES_WORTH_A_PROCESS = 8

logger = logging.getLogger(__name__)


def write_dataset(config: SimulationConfig, root: Path, *, processes: int | None = None) -> None:
    """Write a data set: images, manifest.csv, truth.csv, truth masks and simulation.yaml.

    ``root`` appears when everything is in it, or not at all. The files are the same, bit for bit, however many
    processes write them.

    Args:
        config: What to make.
        root: Folder to make; may exist if it is empty.
        processes: Worker processes; None for one per usable core, fewer where there is little to do.

    Raises:
        InputError: The config makes no sense, the test split's counts are out of reach, or ``root`` is in use or
            cannot be written.
    """
    with _writing(f"output {root}", "output"):
        if root.is_file() or (root.is_dir() and any(root.iterdir())):
            raise InputError("exists already", where=str(root), mend="name a new or an empty folder")
        _write(config, root, processes)


@contextmanager
def _writing(where: str, setting: str) -> Iterator[None]:
    """Turn what the file system refuses inside the block into bad input."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            where=where,
            mend=f"free space there or set {setting} to another folder",
        ) from error


def _write(config: SimulationConfig, root: Path, processes: int | None) -> None:
    check_config(config)
    worthwhile = 1 + sum(config.packages.values()) // _PACKAGES_WORTH_A_PROCESS
    workers = processes or min(usable_cores(), worthwhile)
    with folder_written_atomically(root) as folder, worker_pool(workers) as pool:
        inspections = [*inspect_all(config, pool), *choose_test_scans(config, pool)]
        scans = _rendered(config, inspections, folder, pool)
        for _ in track(scans, description="simulating scans", total=len(inspections)):
            pass
        _write_tables(config, inspections, folder)


def cached_dataset(config: SimulationConfig, cache_dir: Path, *, processes: int | None = None) -> Path:
    """Return the folder of this config's data set below ``cache_dir``; it is made on first use.

    Where several processes ask for it at the same time, one makes it and the others wait. What a killed process left
    of it is removed before it is made again.

    Raises:
        InputError: As :func:`write_dataset`.
    """
    root = cache_dir / f"simulated-{config_hash(config)}"
    check_config(config)
    with _writing(f"cache_dir {cache_dir}", "cache_dir"):
        if root.is_dir():
            return root
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _locked(root):
            if not root.is_dir():
                for stale in cache_dir.glob(f".{root.name}-*"):
                    shutil.rmtree(stale, ignore_errors=True)
                _write(config, root, processes)
    return root


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    lock = FileLock(f"{root}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another process simulates %s: waiting for it", root)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def config_hash(config: SimulationConfig) -> str:
    """Return 12 hexadecimal digits that tell configs, and versions of the simulator, apart."""
    text = json.dumps([SIMULATOR_VERSION, asdict(config)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _rendered(config: SimulationConfig, inspections: list[Inspection], folder: Path, pool: Pool) -> Iterator[str]:
    (folder / "images").mkdir()
    (folder / "truth").mkdir()
    read_outs: dict[PackageId, list[int]] = {}
    for one in inspections:
        read_outs.setdefault(one.package, []).append(one.read_out)
    for names in pool.map(partial(_render, config, folder), read_outs.items()):
        yield from names


def _render(config: SimulationConfig, folder: Path, job: tuple[PackageId, list[int]]) -> list[str]:
    package, read_outs = job
    specimen = make_specimen(config, package)
    interface = build_interface(config, specimen)
    names = [_file_name(config, package, index) for index in read_outs]
    for index, name in zip(read_outs, names, strict=True):
        image, mask = take_scan(config, specimen, interface, index)
        _write_png(folder / "images" / name, image)
        _write_png(folder / "truth" / name, mask)
    return names


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    _, encoded = cv2.imencode(".png", pixels)
    path.write_bytes(encoded.tobytes())


def _file_name(config: SimulationConfig, package: PackageId, read_out: int) -> str:
    return f"{package.name}-{config.read_outs[read_out]:04d}.png"


def _write_tables(config: SimulationConfig, inspections: list[Inspection], folder: Path) -> None:
    table = pd.DataFrame([_row(config, one) for one in inspections], columns=TRUTH_COLUMNS)
    table[MANIFEST_COLUMNS].to_csv(folder / "manifest.csv", index=False, lineterminator="\n")
    table.to_csv(folder / "truth.csv", index=False, lineterminator="\n", float_format="%.6f")
    text = yaml.safe_dump(asdict(config), sort_keys=False)
    (folder / "simulation.yaml").write_text(text, encoding="utf-8")


def _row(config: SimulationConfig, one: Inspection) -> dict[str, object]:
    name = _file_name(config, one.package, one.read_out)
    return {
        "path": f"images/{name}",
        "label": one.label,
        "package_id": one.package.name,
        "metallization": one.package.metallization,
        "cycles": config.read_outs[one.read_out],
        "split": "test" if one.package.test else "train",
        "lot": one.package.lot(config.geometry.lot_packages),
        "true_label": one.true_label,
        "die_pad_share": one.die_pad_share,
        "bond_pad_share": one.bond_pad_share,
        "mask": f"truth/{name}",
    }
