"""Compare the published protocol with the grouped one.

Usage: ``python experiments/leakage/run.py NAME=GROUPED,PUBLISHED ...``

GROUPED and PUBLISHED are result.json files of a data set's two cells. Writes leakage.png and table.md beside this file.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

HERE = Path(__file__).parent
GROUPED, PUBLISHED = "#0072B2", "#E69F00"  # blue and orange of Okabe and Ito's palette
SCORES = {"accuracy": "accuracy", "precision": "macro precision", "recall": "macro recall"}


def main() -> None:
    """Draw the figure and write the table."""
    pairs = {}
    for argument in sys.argv[1:]:
        name, _, files = argument.partition("=")
        grouped, published = (json.loads(Path(file).read_text()) for file in files.split(","))
        pairs[name] = (grouped, published)
    draw(pairs)
    lines = [
        "| data set | protocol | judged on | accuracy | macro precision | macro recall | Δ accuracy | Δ loss |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (grouped, published) in pairs.items():
        lines += [row(name, "grouped", "scans of unseen packages", grouped, ""), *test_row(name, "grouped", grouped)]
        lines += [
            row(name, "published", "held-out images, copies included", published, "_with_copies"),
            row(name, "published", "held-out scans as scanned", published, ""),
            *test_row(name, "published", published),
        ]
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def spread(result: dict[str, Any], name: str) -> str:
    """Return mean ± standard deviation over the folds."""
    return f"{result['mean'][name]:.3f} ± {result['std'][name]:.3f}"


def row(name: str, protocol: str, judged: str, result: dict[str, Any], suffix: str) -> str:
    """Return a row of validation scores, mean ± sd over folds."""
    scores = [spread(result, f"val_{score}{suffix}") for score in SCORES]
    deltas = ["", ""] if suffix else [spread(result, "delta_accuracy"), spread(result, "delta_loss")]
    return f"| {' | '.join([name, protocol, judged, *scores, *deltas])} |"


def test_row(name: str, protocol: str, result: dict[str, Any]) -> list[str]:
    """Return a row of the ensemble's scores on the test split, if there is one."""
    if result["test"] is None:
        return []
    scores = [f"{result['test'][score]:.3f}" for score in SCORES]
    return [f"| {' | '.join([name, protocol, 'test split, ensemble', *scores, '', ''])} |"]


def draw(pairs: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Draw what each protocol reports, a panel per data set."""
    figure = Figure(figsize=(4.2 * len(pairs), 3.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(pairs), sharey=True))
    for axis, (name, (grouped, published)) in zip(axes, pairs.items(), strict=True):
        bars = (
            ("published protocol: images at random", published, "_with_copies", PUBLISHED),
            ("grouped protocol: packages apart", grouped, "", GROUPED),
        )
        for offset, (label, result, suffix, colour) in enumerate(bars):
            means = [result["mean"][f"val_{score}{suffix}"] for score in SCORES]
            spreads = [result["std"][f"val_{score}{suffix}"] for score in SCORES]
            places = np.arange(len(SCORES)) + 0.38 * (offset - 0.5)
            axis.bar(places, means, 0.36, yerr=spreads, capsize=3, color=colour, label=label)
            for place, mean in zip(places, means, strict=True):
                axis.text(place, 0.02, f"{mean:.2f}", ha="center", color="white", fontsize=9)
        axis.set_xticks(range(len(SCORES)), list(SCORES.values()))
        axis.set_ylim(0, 1.05)
        axis.set_title(f"{name}: {len(grouped['folds'])} folds, mean and sd", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("validation score")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(pairs), frameon=False)
    figure.savefig(HERE / "leakage.png", dpi=130)


if __name__ == "__main__":
    main()
