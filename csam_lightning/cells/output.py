"""The files that a cell's results become: tables, figures, ``result.json``."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from csam_lightning.cells.cell import Cell
from csam_lightning.cells.data_tables import balance_table, example_rows, scan_table
from csam_lightning.cells.prediction_table import prediction_table
from csam_lightning.cells.result import CellResult, FoldResult, RunIds, result_json
from csam_lightning.evaluation.calibration import cross_fitted
from csam_lightning.evaluation.metrics import Scores
from csam_lightning.evaluation.predictions import FILE as PREDICTIONS
from csam_lightning.evaluation.predictions import held_out
from csam_lightning.evaluation.reliability import class_reliability
from csam_lightning.files import sync_tree, written_atomically
from csam_lightning.model.held_out import HeldOut


def write_results(
    cell: Cell,
    result: CellResult,
    folder: Path,
    *,
    texts: Mapping[str, str],
    runs: RunIds,
) -> dict[Path, str]:
    """Write the results of a cell to ``folder``.

    Args:
        cell: The cell.
        result: Its folds, summed up.
        folder: Where to write ``result.json``, the tables ``folds.csv``, ``scans.csv``, ``balance.csv`` and
            ``predictions.csv``, ``figures/``, ``examples/`` (images of some scans, named by their row in
            ``scans.csv``) and ``texts``.
        texts: Further files: name → content.
        runs: The runs in MLflow.

    Returns:
        Each file written → its folder's name below ``folder``, empty for the top.
    """
    summary = result_json(cell, result, runs)
    scans = scan_table(cell.table, cell.test)
    balance = balance_table(cell.table, cell.folds, protocol=cell.config.data.protocol.value)
    numbers = [fold.number for fold in result.folds]
    predictions = prediction_table(cell, numbers)
    contents = {
        **texts,
        "folds.csv": cell.fold_table().to_csv(index=False),
        "scans.csv": scans.to_csv(index=False),
        "balance.csv": balance.to_csv(index=False),
        PREDICTIONS: predictions.to_csv(index=False),
        "result.json": json.dumps(summary, indent=2) + "\n",
    }
    for name, content in contents.items():
        with written_atomically(folder / name) as temporary:
            temporary.write_text(content)
    figures = _draw_cell(cell, result, folder / "figures")
    if cell.config.data.protocol != "published":
        known = held_out(predictions, cell.classes, numbers)
        figures.append(_draw_reliability(known, cell, folder / "figures" / "reliability.png"))
    examples = _write_examples(cell, example_rows(scans), folder / "examples")
    files = dict.fromkeys([folder / name for name in contents], "")
    return {**files, **dict.fromkeys(figures, "figures"), **dict.fromkeys(examples, "examples")}


def copy_results(files: Mapping[Path, str], folder: Path) -> None:
    """Copy ``files``, as :func:`write_results` returned them, to ``folder``; they go to the disk together."""
    for file, below in files.items():
        with written_atomically(folder / below / file.name, durable=False) as temporary:
            shutil.copyfile(file, temporary)
    sync_tree(folder)


def fold_figures(cell: Cell, fold: FoldResult) -> list[Path]:
    """Return the figures of a finished fold, drawn where they are not there yet or damaged."""
    folder = cell.fold_folder(fold.number).path / "figures"
    curves, matrix = folder / "curves.png", folder / "confusion_matrix.png"
    title = f"{cell.name} · fold {fold.number}"
    if not _is_picture(curves):
        _draw_curves([fold.history], curves, title=title)
    if not _is_picture(matrix):
        _draw_confusion(fold.validation, cell.classes, matrix, title=title)
    return [curves, matrix]


def _is_picture(file: Path) -> bool:
    """Return whether a PNG is there and all its parts have their checksums."""
    from PIL import Image

    try:
        with Image.open(file) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _write_examples(cell: Cell, rows: Sequence[int], folder: Path) -> list[Path]:
    from PIL import Image

    pixels = np.load(cell.pixels, mmap_mode="r")
    files = []
    for row in rows:
        files.append(folder / f"{row}.png")
        with written_atomically(files[-1]) as temporary:
            Image.fromarray(np.array(pixels[cell.train_rows[row]])).save(temporary)
    return files


def _draw_cell(cell: Cell, result: CellResult, folder: Path) -> list[Path]:
    curves, out_of_fold = folder / "curves.png", folder / "confusion_matrix.png"
    _draw_curves([fold.history for fold in result.folds], curves, title=cell.name)
    _draw_confusion(result.out_of_fold, cell.classes, out_of_fold, title=f"{cell.name} · out of fold")
    if result.test is None:
        return [curves, out_of_fold]
    test = folder / "confusion_matrix_test.png"
    _draw_confusion(result.test, cell.classes, test, title=f"{cell.name} · test split, ensemble")
    return [curves, out_of_fold, test]


def _draw_curves(histories: Sequence[Sequence[Mapping[str, float]]], path: Path, *, title: str) -> None:
    from csam_lightning.figures.cell import CURVES, draw_curves
    from csam_lightning.figures.style import save_png, styled

    by_name = [
        {name: {number: epoch[name] for number, epoch in enumerate(history, start=1)} for name in CURVES}
        for history in histories
    ]
    with styled():
        save_png(draw_curves(by_name, title=title), path)


def _draw_reliability(known: HeldOut, cell: Cell, path: Path) -> Path:
    """Draw how reliable each class's probability is, before and after calibration, and return the file."""
    from csam_lightning.figures.calibration import draw_reliability
    from csam_lightning.figures.style import save_png, styled

    kinds = {
        "before calibration": np.exp(known.log_probabilities),
        "after": cross_fitted(known.log_probabilities, known.codes, known.networks),
    }
    curves = {
        name: [found.curve for found in class_reliability(kind, known.codes, known.packages)]
        for name, kind in kinds.items()
    }
    with styled():
        save_png(draw_reliability(cell.classes, curves, title=f"{cell.name} · out of fold"), path)
    return path


def _draw_confusion(scores: Scores, classes: Sequence[str], path: Path, *, title: str) -> None:
    from csam_lightning.figures.cell import Matrix, draw_confusion
    from csam_lightning.figures.style import save_png, styled

    told = (
        f"{title}\n{scores.confusion_matrix.sum()} scans, accuracy {scores.accuracy:.3f}\n"
        f"macro precision {scores.precision:.3f}, macro recall {scores.recall:.3f}"
    )
    with styled():
        save_png(draw_confusion([Matrix(told, classes, scores.confusion_matrix)]), path)
