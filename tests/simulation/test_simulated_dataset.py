"""The data set on disk: whole or not at all, the same however made, true to its counts."""

import errno
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from filelock import FileLock
from PIL import Image

from csam_lightning.data.manifest import read_manifest
from csam_lightning.errors import InputError
from csam_lightning.simulation import dataset
from csam_lightning.simulation.cached import CHECKSUMS, cached_dataset, config_hash
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.dataset import write_dataset
from csam_lightning.simulation.imaging import take_scan
from csam_lightning.simulation.inspection import inspect_all
from csam_lightning.simulation.observer import class_of
from csam_lightning.simulation.workers import worker_pool


@pytest.fixture(scope="module")
def written(small: SimulationConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("simulated") / "set"
    write_dataset(small, root, processes=1)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_holds_exactly_what_was_asked_for(small: SimulationConfig, written: Path) -> None:
    table = pd.read_csv(written / "manifest.csv")
    assert table.columns.tolist() == ["path", "label", "package_id", "metallization", "cycles", "split"]
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    assert len(train) == 16 * 3
    assert train.groupby("metallization")["package_id"].nunique().to_dict() == small.packages
    assert (train.groupby("package_id")["cycles"].apply(list).map(tuple) == (0, 200, 500)).all()
    assert test["label"].value_counts().to_dict() == small.test_counts
    assert test.groupby("package_id").size().max() <= small.test_scans_per_package
    assert not set(train["package_id"]) & set(test["package_id"])
    assert table["path"].is_unique
    images = [written / path for path in table["path"]]
    assert sorted(images) == sorted((written / "images").iterdir())
    for path in images:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (100, 100))


def test_manifest_is_read_without_complaint(written: Path) -> None:
    manifest, problems = read_manifest(written, classes=["A", "B", "C", "D"], package_pattern=None, need_packages=True)
    assert problems == []
    assert manifest is not None
    assert manifest.classes == ("A", "B", "C", "D")
    assert len(manifest.table) == 16 * 3 + 10


def test_labels_follow_truth_beyond_the_observers_error(small: SimulationConfig, written: Path) -> None:
    truth = pd.read_csv(written / "truth.csv")
    manifest = pd.read_csv(written / "manifest.csv")
    assert (truth[manifest.columns] == manifest).all().all()
    threshold, limit = small.observer.threshold, small.observer.error_limit
    shares = truth[["die_pad_share", "bond_pad_share"]]
    clear = ((shares * (1 + limit) < threshold) | (shares * (1 - limit) > threshold)).all(axis=1)
    assert clear.sum() > 0.8 * len(truth)
    assert (truth["label"] == truth["true_label"])[clear].all()
    for die_pad, bond_pad, label in zip(*shares.to_numpy().T, truth["true_label"], strict=True):
        assert label == class_of(die_pad, bond_pad, threshold)


def test_masks_stand_beside_the_images(written: Path) -> None:
    truth = pd.read_csv(written / "truth.csv")
    for name, die_pad, bond_pad in zip(
        truth["mask"], truth["die_pad_share"].to_numpy(), truth["bond_pad_share"].to_numpy(), strict=True
    ):
        with Image.open(written / str(name)) as image:
            mask = np.asarray(image)
        assert set(np.unique(mask)) <= {0, 85, 170, 255}
        assert (mask == 255).any() or die_pad < 0.02
        assert (mask == 170).any() or bond_pad < 0.02


def test_settings_are_kept(small: SimulationConfig, written: Path) -> None:
    assert yaml.safe_load((written / "simulation.yaml").read_text(encoding="utf-8")) == asdict(small)


def test_number_of_processes_changes_nothing(small: SimulationConfig, written: Path, tmp_path: Path) -> None:
    write_dataset(small, tmp_path / "again", processes=2)
    assert contents(tmp_path / "again") == contents(written)


def test_seed_changes_the_population(small: SimulationConfig) -> None:
    with worker_pool(1) as pool:
        first, again = inspect_all(small, pool), inspect_all(small, pool)
        other = inspect_all(replace(small, seed=1), pool)
    assert first == again
    assert [one.die_pad_share for one in first] != [one.die_pad_share for one in other]


def test_more_packages_leave_the_others_as_they_were(small: SimulationConfig, written: Path, tmp_path: Path) -> None:
    grown = replace(small, packages={"Cu": 5, "Ag": 6}, read_outs=[0, 100, 200, 500], test_counts={})
    write_dataset(grown, tmp_path / "grown", processes=1)
    before, after = contents(written), contents(tmp_path / "grown")
    kept = [name for name in before if re.match(r"images/(Cu|Ag)-\d{3}-", name)]
    assert len(kept) == 10 * 3
    assert all(before[name] == after[name] for name in kept)


def test_interrupted_write_leaves_nothing(
    small: SimulationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = iter(range(5))

    def interrupted(*arguments: Any) -> Any:
        if next(scans) == 4:
            raise KeyboardInterrupt
        return take_scan(*arguments)

    monkeypatch.setattr(dataset, "take_scan", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(small, tmp_path / "set", processes=1)
    assert list(tmp_path.iterdir()) == []


def test_folder_in_use_is_refused_and_kept(small: SimulationConfig, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(InputError) as error:
        write_dataset(small, tmp_path)
    assert str(error.value) == f"{tmp_path}: exists already; name a new or an empty folder"
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_counts_out_of_reach_are_refused(small: SimulationConfig, tmp_path: Path) -> None:
    copper = replace(small, packages={"Cu": 4}, test_counts={"A": 3, "C": 1}, test_package_limit=40)
    with pytest.raises(InputError) as error:
        write_dataset(copper, tmp_path / "set", processes=1)
    assert str(error.value) == (
        "simulation.test_counts: 40 further packages did not yield 3 of class A, 1 of class C; "
        "lower these counts, raise simulation.test_package_limit, or change the drives or read-outs"
    )
    assert list(tmp_path.iterdir()) == []


def test_bad_settings_are_refused_before_anything_is_written(small: SimulationConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"simulation\.packages: no package asked for"):
        cached_dataset(replace(small, packages={}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_cache_is_filled_once_per_config(
    small: SimulationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = replace(small, packages={"Cu": 2}, test_counts={})
    first = cached_dataset(tiny, tmp_path, processes=1)
    assert first == tmp_path / f"simulated-{config_hash(tiny)}"
    other = cached_dataset(replace(tiny, seed=5), tmp_path, processes=1)
    assert other != first
    monkeypatch.setattr(dataset, "inspect_all", None)
    assert cached_dataset(tiny, tmp_path, processes=1) == first


@pytest.mark.parametrize("damage", ["zeroed", "one bit", "lost", "no checksums", "damaged checksums"])
def test_cached_data_set_that_was_damaged_is_made_again(
    small: SimulationConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    tiny = replace(small, packages={"Cu": 1}, test_counts={})
    root = cached_dataset(tiny, tmp_path, processes=1)
    made = contents(root)
    image = next((root / "images").iterdir())
    content = image.read_bytes()
    if damage == "zeroed":
        image.write_bytes(bytes(len(content)))
    elif damage == "one bit":
        table = root / "manifest.csv"
        table.write_text(table.read_text().replace("Cu", "Cw"))
    elif damage == "lost":
        image.unlink()
    elif damage == "no checksums":
        (root / CHECKSUMS).unlink()
    else:
        (root / CHECKSUMS).write_text("")
    assert cached_dataset(tiny, tmp_path, processes=1) == root
    assert contents(root) == made
    assert caplog.messages == [f"{root} is damaged, or of an older version: it is simulated again"]
    assert sorted(tmp_path.iterdir()) == sorted([root, tmp_path / f"{root.name}.lock"])


def test_two_at_once_share_one_cache(small: SimulationConfig, tmp_path: Path) -> None:
    tiny = replace(small, packages={"Cu": 3}, test_counts={})
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: cached_dataset(tiny, tmp_path, processes=1), range(2))
    assert first == second
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == [first]
    assert len(pd.read_csv(first / "manifest.csv")) == 9


def test_leftovers_of_a_killed_process_are_removed(small: SimulationConfig, tmp_path: Path) -> None:
    tiny = replace(small, packages={"Cu": 1}, test_counts={})
    name = f"simulated-{config_hash(tiny)}"
    kept = tmp_path / ".simulated-0123456789ab-other"
    for folder in (tmp_path / f".{name}-left", kept):
        (folder / "images").mkdir(parents=True)
        (folder / "images" / "a.png").touch()
    made = cached_dataset(tiny, tmp_path, processes=1)
    assert sorted(tmp_path.iterdir()) == sorted([kept, made, tmp_path / f"{name}.lock"])


def test_waiting_for_another_process_is_told(
    small: SimulationConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny = replace(small, packages={"Cu": 1}, test_counts={})
    root = tmp_path / f"simulated-{config_hash(tiny)}"
    lock = FileLock(f"{root}.lock", thread_local=False)
    lock.acquire()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(cached_dataset, tiny, tmp_path, processes=1)
        try:
            until = time.monotonic() + 20
            while not caplog.records and time.monotonic() < until:
                time.sleep(0.02)
            assert not waiting.done()
        finally:
            lock.release()
        assert waiting.result(timeout=60) == root
    assert [record.getMessage() for record in caplog.records] == [f"another process simulates {root}: waiting for it"]


@pytest.mark.parametrize(("write", "setting"), [(write_dataset, "output"), (cached_dataset, "cache_dir")])
def test_a_folder_that_cannot_be_made(
    small: SimulationConfig, tmp_path: Path, write: Callable[..., object], setting: str
) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "below" / "set"
    with pytest.raises(InputError) as error:
        write(small, target, processes=1)
    assert str(error.value) == (
        f"{setting} {target}: cannot be written: Not a directory; free space there or set {setting} to another folder"
    )


def test_a_full_disk_is_one_clear_line(
    small: SimulationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(dataset, "_write_png", full)
    with pytest.raises(InputError, match=r"set: cannot be written: No space left on device; free space there"):
        write_dataset(small, tmp_path / "set", processes=1)
    assert list(tmp_path.iterdir()) == []
