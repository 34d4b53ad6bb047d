"""The simulated data set on disk: scans, manifest, truth."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from csam_lightning.errors import InputError
from csam_lightning.files import folder_written_atomically
from csam_lightning.machine.processes import usable_cores
from csam_lightning.progress import track
from csam_lightning.simulation.checks import check_config
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.disk import refusals_told
from csam_lightning.simulation.imaging import build_interface, take_scan
from csam_lightning.simulation.inspection import Inspection, choose_test_scans, inspect_all
from csam_lightning.simulation.package import PackageId
from csam_lightning.simulation.specimen import make_specimen
from csam_lightning.simulation.workers import Pool, worker_pool

MANIFEST_COLUMNS = ["path", "label", "package_id", "metallization", "cycles", "split"]
TRUTH_COLUMNS = [*MANIFEST_COLUMNS, "lot", "true_label", "die_pad_share", "bond_pad_share", "mask"]
_PACKAGES_WORTH_A_PROCESS = 8


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
    with refusals_told(f"output {root}", "output"):
        if root.is_file() or (root.is_dir() and any(root.iterdir())):
            raise InputError("exists already", where=str(root), mend="name a new or an empty folder")
        make_dataset(config, root, processes=processes)


def make_dataset(config: SimulationConfig, root: Path, *, processes: int | None) -> None:
    """Make ``root`` as :func:`write_dataset` does, where there is nothing yet.

    Raises:
        InputError: The config makes no sense, or the test split's counts are out of reach.
        OSError: It cannot be written.
    """
    check_config(config)
    worthwhile = 1 + sum(config.packages.values()) // _PACKAGES_WORTH_A_PROCESS
    workers = processes or min(usable_cores(), worthwhile)
    with folder_written_atomically(root) as folder, worker_pool(workers) as pool:
        inspections = [*inspect_all(config, pool), *choose_test_scans(config, pool)]
        scans = _rendered(config, inspections, folder, pool)
        for _ in track(scans, description="simulating scans", total=len(inspections)):
            pass
        _write_tables(config, inspections, folder)


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
