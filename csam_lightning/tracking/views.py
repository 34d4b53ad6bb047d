"""What the MLflow UI offers on an experiment's page: a saved view that compares cells, and links to it.

MLflow keeps both as tags of the experiment. Without them its page tells of GenAI traces, and its table of runs has no
column for a metric.
"""

import json
import time
from typing import Any

from csam_lightning.tracking.runs import CELL, LEVEL_TAG

NOTE_TAG = "mlflow.note.content"
VIEW_TAG = "mlflow.sharedViewState.cells"

FACTORS = ("data.size", "data.image_size", "data.batch_size")
RANKED_BY = "val/f1"
COLUMNS = (
    RANKED_BY,
    "val/f1_std",
    "val/accuracy",
    "val/precision",
    "val/recall",
    "delta/accuracy",
    "delta/loss",
    "seconds",
)
AXES = ("delta/loss", "delta/accuracy", "val/accuracy", "val/precision", "val/recall", RANKED_BY)
"""Of the chart; its lines are coloured by the last."""
COLUMN_WIDTH = 120


def note(experiment_id: str) -> str:
    """Return the experiment's description: where its cells are compared."""
    runs = f"#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    cells = f"{runs}&viewStateShareKey=cells"
    return (
        f"Compare: [all cells, the best first]({cells}) · [in parallel coordinates]({cells}&compareRunsMode=CHART)\n\n"
        f"[All runs]({runs}): a sweep holds its cells, a cell its folds."
    )


def cells_view() -> str:
    """Return the saved view *Cells*: all cells ranked by macro F1, and their parallel coordinates."""
    now = int(time.time() * 1000)
    view = {"name": "Cells", "createdAt": now, "updatedAt": now, "state": json.dumps(_state())}
    return json.dumps(view)


def _state() -> dict[str, Any]:
    columns = [*(f"params.`{name}`" for name in FACTORS), *(f"metrics.`{name}`" for name in COLUMNS)]
    section, chart = "cells-compared", "cells-parallel"
    return {
        "searchFilter": f"tags.{LEVEL_TAG} = '{CELL}'",
        "orderByKey": f"metrics.`{RANKED_BY}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": dict.fromkeys(columns, COLUMN_WIDTH),
        "runsHiddenMode": "SHOWALL",
        "compareRunCharts": [
            {
                "uuid": chart,
                "type": "PARALLEL",
                "metricSectionId": section,
                "deleted": False,
                "isGenerated": False,
                "selectedParams": FACTORS,
                "selectedMetrics": AXES,
                "showAllRuns": True,
            }
        ],
        "compareRunSections": [
            {
                "uuid": section,
                "name": "Cells compared",
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
                "columns": 1,
            }
        ],
    }
