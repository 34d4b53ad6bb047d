"""Where a trained cell errs: ``python experiments/simulator/near_the_line.py DATA RUN``.

DATA is the simulated data set with its truth.csv, RUN the run's folder of a cell trained on it with the grouped
protocol (``outputs/runs/…``); the cell's folds are looked up beside it. Prints a table: how far from the 10 % line the
scans lie that were judged rightly and wrongly, out of fold and on the test split.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

LINE = 0.10  # share of a region's area above which it counts as delaminated
NEAR = 1.5  # factor within which a share counts as near the line


def main() -> None:
    """Print the table."""
    data, run = Path(sys.argv[1]), Path(sys.argv[2])
    result = json.loads((run / "result.json").read_text())
    folds = run.parents[1] / "cells" / result["cell_id"]
    classes = result["test"]["classes"]
    listed = pd.read_csv(run / "folds.csv", dtype={"fold": str})
    judged = []
    ensemble = np.mean([read(folds, fold["fold"], "test") for fold in result["folds"]], axis=0)
    for fold, part in listed.groupby("fold"):
        probabilities = ensemble if fold == "test" else read(folds, int(str(fold)), "validation")
        predicted = [classes[code] for code in probabilities.argmax(axis=1)]
        judged.append(part.assign(predicted=predicted, side="test" if fold == "test" else "out of fold"))
    truth = pd.read_csv(data / "truth.csv")
    table = pd.concat(judged).merge(truth[["path", "die_pad_share", "bond_pad_share", "true_label"]], on="path")
    shares = table[["die_pad_share", "bond_pad_share"]].to_numpy().clip(1e-4)
    table["near"] = (np.abs(np.log(shares / LINE)) < np.log(NEAR)).any(axis=1)
    table["wrong"] = table["predicted"] != table["label"]
    table["flipped"] = table["label"] != table["true_label"]
    print("| scans | side | number | within a factor of 1.5 of the 10 % line | label flipped by the observer |")
    print("| --- | --- | --- | --- | --- |")
    for side, part in table.groupby("side", sort=False):
        for name, rows in (("all", part), ("wrong", part[part["wrong"]])):
            print(f"| {name} | {side} | {len(rows)} | {rows['near'].mean():.0%} | {rows['flipped'].mean():.1%} |")


def read(folds: Path, number: int, side: str) -> np.ndarray:
    """Return a fold's class probabilities."""
    with np.load(folds / f"fold_{number}" / "predictions.npz", allow_pickle=False) as arrays:
        probabilities: np.ndarray = arrays[side]
    return probabilities


if __name__ == "__main__":
    main()
