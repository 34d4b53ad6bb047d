"""The files that a cell's results become: tables, figures, ``result.json``."""

import json
from collections.abc import Mapping
from pathlib import Path

from csam_lightning.evaluation.cell import Cell
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
        folder: Where to write ``result.json``, ``folds.csv``, ``figures/`` and ``texts``.
        texts: Further files: name → content.
        runs: The runs in MLflow.

    Returns:
        Each file written → its folder's name below ``folder``, empty for the top.
    """
    summary = result_json(cell, result, runs)
    contents = {
        **texts,
        "folds.csv": cell.fold_table().to_csv(index=False),
        "result.json": json.dumps(summary, indent=2) + "\n",
    }
    for name, content in contents.items():
        with written_atomically(folder / name) as temporary:
            temporary.write_text(content)
    figures = _draw_cell(cell, result, folder / "figures")
    return {**dict.fromkeys([folder / name for name in contents], ""), **dict.fromkeys(figures, "figures")}


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
