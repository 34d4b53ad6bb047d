"""Stores as training leaves them, with numbers that the tests choose."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from csam_lightning.tracking.publisher import Publisher
from csam_lightning.tracking.reading import StoredRun
from csam_lightning.tracking.record import CellRecord, DatasetRecord, FoldRecord
from csam_lightning.tracking.sweep_run import SweepRun

CLASSES = ["A", "B", "C", "D"]
MATRIX = [[20, 1, 0, 1], [3, 15, 2, 3], [0, 0, 18, 0], [1, 2, 0, 20]]


@dataclass(frozen=True)
class Made:
    """A cell to be: its settings, and its macro F1 and deltas in each fold."""

    size: int = 840
    side: int = 100
    batch: int = 8
    f1: Sequence[float] = (0.8, 0.82, 0.84)
    delta_accuracy: float = 0.1
    delta_loss: float = -0.2
    seconds: float = 100.0
    protocol: str = "grouped"
    seed: int = 0
    fingerprint: str = "f00d" * 16
    epochs: int = 20
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.size} px{self.side} b{self.batch}"

    @property
    def all_params(self) -> dict[str, str]:
        told: dict[str, Any] = {
            "data.size": self.size,
            "data.image_size": self.side,
            "data.batch_size": self.batch,
            "seed": self.seed,
        }
        told |= {"trainer.max_epochs": self.epochs}
        told |= {"data.protocol": self.protocol, "data.num_folds": len(self.f1), "output_dir": "outputs"}
        return {name: str(value) for name, value in told.items()} | dict(self.params)

    def fold_metrics(self, number: int) -> dict[str, float]:
        scores = dict.fromkeys(("val_precision", "val_recall", "val_accuracy"), self.f1[number])
        metrics = {f"evaluation/{name}": value for name, value in {**scores, "val_f1": self.f1[number]}.items()}
        deltas = {"delta/accuracy": self.delta_accuracy, "delta/loss": self.delta_loss}
        return metrics | {name: value + 0.01 * (number - 1) for name, value in deltas.items()}

    @property
    def cell_metrics(self) -> dict[str, float]:
        speed = 1000 / self.side
        return {"seconds": self.seconds, "train_images_per_second": speed, "val/f1": float(np.mean(self.f1))}


def scans_csv() -> pd.DataFrame:
    """Six packages of three metallizations at three read-outs: NiPdAu fails at the die pad, Cu never."""
    fails = {"Ag": "B", "NiPdAu": "A", "Cu": "D"}
    rows = [
        {
            "path": f"{package}-{cycles}.png",
            "label": "D" if cycles == 0 or (cycles == 300 and package % 2) else fails[metal],
            "package_id": f"p{package}",
            "metallization": metal,
            "cycles": cycles,
            "split": "train",
        }
        for cycles in (0, 300, 500)
        for package, metal in enumerate(("Ag", "Ag", "NiPdAu", "NiPdAu", "Cu", "Cu"))
    ]
    test = {"path": "t.png", "label": "A", "package_id": "t", "metallization": "Ag", "cycles": 500, "split": "test"}
    return pd.DataFrame([*rows, test])


def balance_csv(last: int) -> pd.DataFrame:
    rows = [
        {"fold": str(fold), "cycles": cycles, "label": label, "scans": 2, "copies": 1 if label == "B" else 0}
        for fold in (0, 1)
        for cycles in (0, 300, 500)
        for label in ("A", "B", "D")
        if cycles <= last
    ]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Said:
    """What a cell's networks predict of its out-of-fold scans: the share of each class that is right.

    Attributes:
        right: Of each class A to D, how many of the ten scans of a package of that class are right.
        packages: Packages of each class.
        skill: Added to the scans right in every package, or taken off, for packages of even numbers.
        names: Beginning of the paths.
    """

    right: Sequence[int] = (9, 9, 9, 9)
    packages: int = 10
    skill: int = 0
    names: str = "scan"

    @property
    def table(self) -> pd.DataFrame:
        rows = []
        for code, label in enumerate(CLASSES):
            for package in range(self.packages):
                right = self.right[code] + (self.skill if package % 2 == 0 else 0)
                for number in range(10):
                    predicted = code if number < right else (code + 1 + number % 3) % 4
                    path = f"{self.names}-{label}{package}-{number}.png"
                    said = {f"p_{name}": 0.7 if name == CLASSES[predicted] else 0.1 for name in CLASSES}
                    rows.append([path, f"{label}{package}", label, "train", str(package % 5), *said.values()])
        test = ["t.png", "t", "A", "test", "ensemble", 0.25, 0.25, 0.25, 0.25]
        columns = ["path", "package_id", "label", "split", "fold", *(f"p_{name}" for name in CLASSES)]
        return pd.DataFrame([*rows, test], columns=columns)

    @property
    def csv(self) -> bytes:
        return self.table.to_csv(index=False).encode()


RATES = {
    "escape": {"value": 0.04, "low": 0.01, "high": 0.09, "scans": 100, "packages": 20},
    "overkill": {"value": 0.02, "low": 0.0, "high": 0.05, "scans": 100, "packages": 20},
}


def artifacts_of(folder: Path, said: Said | None = None) -> dict[Path, str]:
    """Write a cell's artifacts to ``folder``; return file → folder in the run."""
    folder.mkdir(parents=True)
    counts = np.array(MATRIX)
    recall = (counts.diagonal() / counts.sum(axis=1)).mean()
    scores = {"accuracy": counts.trace() / counts.sum(), "precision": 0.85, "recall": recall, "f1": 0.83}
    test = {**scores, "classes": CLASSES, "confusion_matrix": MATRIX}
    calibrated = {"sound": 0.5, "out_of_fold": {**scores, **RATES}}
    (folder / "result.json").write_text(json.dumps({"test": test, "calibrated": calibrated}))
    (folder / "predictions.csv").write_bytes((said or Said()).csv)
    scans_csv().to_csv(folder / "scans.csv", index=False)
    balance_csv(last=500).to_csv(folder / "balance.csv", index=False)
    for row in (0, 12):
        (folder / f"{row}.png").write_bytes(png(row))
    named = {folder / name: "" for name in ("result.json", "scans.csv", "balance.csv", "predictions.csv")}
    return named | {folder / f"{row}.png": "examples" for row in (0, 12)}


def png(seed: int, width: int = 16) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (16, width), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def record(made: Made, artifacts: Mapping[Path, str]) -> CellRecord:
    epochs = [
        {"train/loss": 1 / epoch, "val/loss": 1.2 / epoch, "train/accuracy": 0.5, "val/accuracy": 0.4, "ended": epoch}
        for epoch in (1.0, 2.0, 3.0)
    ]
    folds = [FoldRecord(number, epochs, made.fold_metrics(number), finished=True) for number in range(len(made.f1))]
    return CellRecord(
        made.name,
        made.all_params,
        {"cell.id": cell_id(made), "data.fingerprint": made.fingerprint, "git.commit": "c0ffee" * 6},
        DatasetRecord("scans", "f00d", "somewhere", {"training scans": 840, "test scans": 86, "packages": 140}),
        folds,
        metrics=made.cell_metrics,
        artifacts=artifacts,
        finished=True,
    )


def cell_id(made: Made) -> str:
    return f"{made.size}-{made.side}-{made.batch}-{made.protocol}-{made.seed}"


class Shop:
    """An MLflow store in a folder, filled the way training fills it."""

    def __init__(self, folder: Path, experiment: str = "csam_lightning") -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self.experiment = experiment

    def sweep(self, name: str, *cells: Made | tuple[Made, Said], files: Mapping[Path, str] | None = None) -> SweepRun:
        sweep = SweepRun(self.folder / "grids" / f"id-of-{name}", uri=self.uri, experiment=self.experiment)
        sweep.describe(f"{name} · {len(cells)} cells", {"axes": "all"}, {"sweep.id": sweep.id})
        for cell in cells:
            made, said = cell if isinstance(cell, tuple) else (cell, None)
            self.cell(made, sweep, said=said)
        sweep.close("FINISHED", {}, files or {})
        return sweep

    def cell(
        self, made: Made, sweep: SweepRun | None = None, *, artifacts: bool = True, said: Said | None = None
    ) -> None:
        folder = self.folder / "cells" / (sweep.id if sweep else "alone") / cell_id(made)
        sent = record(made, artifacts_of(folder / "files", said) if artifacts else {})
        assert Publisher(folder, uri=self.uri, experiment=self.experiment, sweep=sweep).publish(sent)

    def unfinished(self, made: Made, sweep: SweepRun | None = None) -> None:
        folder = self.folder / "cells" / "undone" / cell_id(made)
        half = record(made, {})
        half = replace(half, folds=[replace(fold, finished=False) for fold in half.folds], finished=False)
        publisher = Publisher(folder, uri=self.uri, experiment=self.experiment, sweep=sweep)
        publisher.publish(half)
        publisher.end("FAILED")


def stored(made: Made) -> tuple[StoredRun, list[StoredRun]]:
    """Return the runs of a finished cell as the store would, without a store."""
    tags = {"cell.id": cell_id(made), "data.fingerprint": made.fingerprint}
    profile = {"training scans": 840, "test scans": 86}
    cell = StoredRun(cell_id(made), made.name, "FINISHED", 0, made.all_params, made.cell_metrics, tags, profile)
    folds = [
        StoredRun(f"{cell.id}-{number}", "", "FINISHED", 0, {}, made.fold_metrics(number), {"fold": str(number)}, {})
        for number in range(len(made.f1))
    ]
    return cell, folds
