"""Compare settings: ``python experiments/defaults/run.py NAME=RUN ...``.

RUN is the run's folder of a cell (``outputs/runs/…``), its trained folds beside it in ``outputs/cells``. Writes
validation.png and table.md beside this file.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

HERE = Path(__file__).parent
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#999999")  # Okabe and Ito
SHOWN = ("val_recall", "val_precision", "val_accuracy", "val_loss", "delta_accuracy", "delta_loss")


def main() -> None:
    """Draw the figure and write the table."""
    results, histories = {}, {}
    for argument in sys.argv[1:]:
        name, _, folder = argument.partition("=")
        results[name] = json.loads((Path(folder) / "result.json").read_text())
        cell = Path(folder).parents[1] / "cells" / results[name]["cell_id"]
        histories[name] = [
            json.loads((cell / f"fold_{fold['fold']}" / "history.json").read_text()) for fold in results[name]["folds"]
        ]
    draw(histories)
    titles = " | ".join(name.replace("_", " ") for name in SHOWN)
    lines = [f"| setting | {titles} | seconds |", f"| --- |{' --- |' * (len(SHOWN) + 1)}"]
    for name, result in results.items():
        numbers = " | ".join(f"{result['mean'][score]:.3f} ± {result['std'][score]:.3f}" for score in SHOWN)
        lines.append(f"| {name} | {numbers} | {result['seconds']:.0f} |")
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def draw(histories: dict[str, list[list[dict[str, Any]]]]) -> None:
    """Draw validation loss and macro recall per epoch, mean of the folds."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, metric, title in zip(
        axes, ("val/loss", "val/recall"), ("cross-entropy / nat", "macro recall"), strict=True
    ):
        for colour, (name, folds) in zip(COLOURS, histories.items(), strict=False):
            values = np.mean([[epoch[metric] for epoch in history] for history in folds], axis=0)
            axis.plot(np.arange(1, len(values) + 1), values, color=colour, label=name, linewidth=1.6)
        axis.set_xlabel("epoch")
        axis.set_ylabel(f"validation {title}")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(0, 2)
    axes[1].set_ylim(0, 1)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    folds = len(next(iter(histories.values())))
    figure.suptitle(f"Validation, mean of {folds} folds")
    figure.savefig(HERE / "validation.png", dpi=120)


if __name__ == "__main__":
    main()
