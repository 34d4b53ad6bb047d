"""The table of a cell's predictions: probabilities of the scans that its networks did not learn from."""

from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.training.fold_files import FoldPredictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from csam_lightning.cells.cell import Cell

ENSEMBLE = "ensemble"
"""In place of a fold's number: the mean over the folds' networks."""


def prediction_table(cell: "Cell", numbers: "Sequence[int]") -> "pd.DataFrame":
    """Return what the networks of some finished folds said of the scans that they did not learn from.

    Args:
        cell: The cell.
        numbers: The folds' numbers.

    Returns:
        Columns ``path, package_id, label, split, fold`` and ``p_<class>`` for each class, probabilities in float32. Of
        the split ``train`` a row for each scan that validates, by the network of its fold; of the split ``test`` a row
        for each scan by the ensemble, then one by each network.
    """
    import pandas as pd

    predicted = {number: FoldPredictions.read(cell.fold_folder(number).predictions) for number in numbers}

    def rows(scans: "pd.DataFrame", fold: str, probabilities: "NDArray[np.float32]") -> "pd.DataFrame":
        columns = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in cell.classes], index=scans.index)
        return scans[["path", "package_id", "label", "split"]].assign(fold=fold).join(columns)

    validated = [
        rows(
            cell.table.iloc[cell.folds[number].validation.scans].reset_index(drop=True),
            str(number),
            said.validation[cell.folds[number].validation.copy == 0],
        )
        for number, said in predicted.items()
    ]
    mean = np.mean([said.test for said in predicted.values()], axis=0)
    tested = [rows(cell.test, str(number), said.test) for number, said in predicted.items()]
    return pd.concat([*validated, rows(cell.test, ENSEMBLE, mean), *tested], ignore_index=True)
