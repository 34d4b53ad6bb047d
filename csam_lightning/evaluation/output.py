"""The files that a cell's results become: tables, figures, ``result.json``."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from csam_lightning.evaluation.cell import Cell
from csam_lightning.evaluation.data_tables import balance_table, example_rows, scan_table
from csam_lightning.evaluation.result import CellResult, FoldResult, RunIds, result_json
from csam_lightning.files import written_atomically


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
        folder: Where to write ``result.json``, the tables ``folds.csv``, ``scans.csv`` and ``balance.csv``,
            ``figures/``, ``examples/`` (images of some scans, named by their row in ``scans.csv``) and ``texts``.
        texts: Further files: name → content.
        runs: The runs in MLflow.

    Returns:
        Each file written → its folder's name below ``folder``, empty for the top.
    """
    summary = result_json(cell, result, runs)
    balance = balance_table(cell.table, cell.folds, protocol=cell.config.data.protocol.value)
    contents = {
        **texts,
        "folds.csv": cell.fold_table().to_csv(index=False),
        "scans.csv": scan_table(cell.table, cell.test).to_csv(index=False),
        "balance.csv": balance.to_csv(index=False),
        "result.json": json.dumps(summary, indent=2) + "\n",
    }
    for name, content in contents.items():
        with written_atomically(folder / name) as temporary:
            temporary.write_text(content)
    figures = _draw_cell(cell, result, folder / "figures")
    examples = _write_examples(cell, folder / "examples")
    files = dict.fromkeys([folder / name for name in contents], "")
    return {**files, **dict.fromkeys(figures, "figures"), **dict.fromkeys(examples, "examples")}


def fold_figures(cell: Cell, fold: FoldResult) -> list[Path]:
    """Return the figures of a finished fold, drawn where they are not there yet."""
    from csam_lightning.evaluation.figures import draw_confusion_matrix, draw_curves

    folder = cell.fold_folder(fold.number).path / "figures"
    curves, matrix = folder / "curves.png", folder / "confusion_matrix.png"
    title = f"{cell.name} · fold {fold.number}"
    if not curves.is_file():
        draw_curves([fold.history], curves, title=title)
    if not matrix.is_file():
        draw_confusion_matrix(fold.validation, cell.classes, matrix, title=title)
    return [curves, matrix]


def _write_examples(cell: Cell, folder: Path) -> list[Path]:
    from PIL import Image

    pixels = np.load(cell.pixels, mmap_mode="r")
    files = []
    for row in example_rows(scan_table(cell.table, cell.test)):
        files.append(folder / f"{row}.png")
        with written_atomically(files[-1]) as temporary:
            Image.fromarray(np.array(pixels[cell.train_rows[row]])).save(temporary)
    return files


def _draw_cell(cell: Cell, result: CellResult, folder: Path) -> list[Path]:
    from csam_lightning.evaluation.figures import draw_confusion_matrix, draw_curves

    curves, out_of_fold = folder / "curves.png", folder / "confusion_matrix.png"
    draw_curves([fold.history for fold in result.folds], curves, title=cell.name)
    draw_confusion_matrix(result.out_of_fold, cell.classes, out_of_fold, title=f"{cell.name} · out of fold")
    if result.test is None:
        return [curves, out_of_fold]
    test = folder / "confusion_matrix_test.png"
    draw_confusion_matrix(result.test, cell.classes, test, title=f"{cell.name} · test split, ensemble")
    return [curves, out_of_fold, test]
