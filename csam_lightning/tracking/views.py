"""What the MLflow UI offers on an experiment's page: saved views, and links to them.

MLflow keeps both as tags of the experiment. Without them its page is about GenAI traces, and its table of runs has no
column for a metric.
"""

import json
import time
from typing import Any

from csam_lightning.tracking.runs import CELL, LEVEL_TAG

NOTE_TAG = "mlflow.note.content"
_VIEW_TAG = "mlflow.sharedViewState."

FACTORS = ("data.size", "data.image_size", "data.batch_size")
RANKED_BY = "val/f1"
OF_ALL = ("val/accuracy", "val/precision", "val/recall", "delta/accuracy", "delta/loss")
"""Metrics that cells and folds both have."""
AXES = ("delta/loss", "delta/accuracy", "val/accuracy", "val/precision", "val/recall", RANKED_BY)
"""Of the chart; its lines are coloured by the last."""

NAME = "attributes.`Run Name`"
WIDTH, CELL_WIDTH, FOLD_WIDTH = 120, 200, 300
"""Pixels of a column, and of that of names: a fold's stands indented under its cell's and its sweep's."""


def note(experiment_id: str) -> str:
    """Return the experiment's description: where its cells are compared."""
    view = f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey"
    return (
        f"[All cells, the best first]({view}=cells) · [in parallel coordinates]({view}=cells&compareRunsMode=CHART) · "
        f"[sweeps, with their cells and folds]({view}=sweeps)"
    )


def saved_views() -> dict[str, str]:
    """Return the tags of the saved views.

    *Cells* ranks cells by macro F1 and shows them in parallel coordinates; *Sweeps* has each sweep's cells below it.
    """
    return {
        f"{_VIEW_TAG}cells": _view("Cells", {**_cells_table(), **_cells_chart()}),
        f"{_VIEW_TAG}sweeps": _view("Sweeps", _sweeps_table()),
    }


def _view(name: str, state: dict[str, Any]) -> str:
    now = int(time.time() * 1000)
    return json.dumps({"name": name, "createdAt": now, "updatedAt": now, "state": json.dumps(state)})


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _sweeps_table() -> dict[str, Any]:
    return _table([_metric(name) for name in OF_ALL], "attributes.start_time", name_width=FOLD_WIDTH)


def _cells_table() -> dict[str, Any]:
    metrics = (RANKED_BY, f"{RANKED_BY}_std", *OF_ALL, "seconds")
    columns = [*(f"params.`{name}`" for name in FACTORS), *map(_metric, metrics)]
    return _table(columns, _metric(RANKED_BY), name_width=CELL_WIDTH, search=f"tags.{LEVEL_TAG} = '{CELL}'")


def _table(columns: list[str], order_by: str, *, name_width: int, search: str = "") -> dict[str, Any]:
    return {
        "searchFilter": search,
        "orderByKey": order_by,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": [NAME, *columns],
        "columnWidths": {NAME: name_width, **dict.fromkeys(columns, WIDTH)},
        "runsHiddenMode": "SHOWALL",
    }


def _cells_chart() -> dict[str, Any]:
    section = {"uuid": "cells-compared", "name": "Cells compared", "display": True, "columns": 1}
    chart = {
        "uuid": "cells-parallel",
        "type": "PARALLEL",
        "metricSectionId": section["uuid"],
        "selectedParams": FACTORS,
        "selectedMetrics": AXES,
        "showAllRuns": True,
    }
    made_by_hand = {"deleted": False, "isGenerated": False}
    return {
        "compareRunCharts": [{**chart, **made_by_hand}],
        "compareRunSections": [{**section, "isReordered": False, **made_by_hand}],
    }
