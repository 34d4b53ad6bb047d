"""Compare the published protocol with the grouped one.

Usage: ``python experiments/leakage/run.py NAME=PUBLISHED,ONCE,GROUPED ...``

PUBLISHED, ONCE and GROUPED are result.json files of a data set's three cells: the published protocol, and the grouped
one with copies augmented once, as the published one has them, and anew each epoch. Writes leakage.png and table.md.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

HERE = Path(__file__).parent
SCORES = {"accuracy": "accuracy", "precision": "macro precision", "recall": "macro recall"}


@dataclass(frozen=True)
class Judgement:
    """A way to arrive at validation scores: a protocol's cell, and the images that it is judged on."""

    protocol: str
    judged_on: str
    colour: str  # of Okabe and Ito's palette, safe for colour-blind readers
    suffix: str = ""


COPIES = Judgement("published", "held-out images, copies included", "#E69F00", "_with_copies")
SCANS = Judgement("published", "held-out scans as scanned", "#CC79A7")
ONCE = Judgement("grouped, copies augmented once", "scans of unseen packages", "#56B4E9")
GROUPED = Judgement("grouped, augmented each epoch", "scans of unseen packages", "#0072B2")


def main() -> None:
    """Draw the figure and write the table."""
    sets: dict[str, dict[Judgement, dict[str, Any]]] = {}
    for argument in sys.argv[1:]:
        name, _, files = argument.partition("=")
        published, once, grouped = (json.loads(Path(file).read_text()) for file in files.split(","))
        sets[name] = {COPIES: published, SCANS: published, ONCE: once, GROUPED: grouped}
    draw(sets)
    lines = [
        "| data set | protocol | judged on | accuracy | macro precision | macro recall | Δ accuracy | Δ loss |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(row for name, results in sets.items() for row in rows(name, results)),
    ]
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def rows(name: str, results: dict[Judgement, dict[str, Any]]) -> Iterator[str]:
    """Yield a row of mean ± sd over the folds for each judgement, and below one on the test split, if there is one."""
    for judgement, result in results.items():
        scores = [spread(result, f"val_{score}{judgement.suffix}") for score in SCORES]
        deltas = ["", ""] if judgement.suffix else [spread(result, "delta_accuracy"), spread(result, "delta_loss")]
        yield f"| {' | '.join([name, judgement.protocol, judgement.judged_on, *scores, *deltas])} |"
        if result["test"] is not None and not judgement.suffix:
            scores = [f"{result['test'][score]:.3f}" for score in SCORES]
            yield f"| {' | '.join([name, judgement.protocol, 'test split, ensemble of the folds', *scores, '', ''])} |"


def spread(result: dict[str, Any], name: str) -> str:
    """Return mean ± standard deviation over the folds."""
    return f"{result['mean'][name]:.3f} ± {result['std'][name]:.3f}"


def draw(sets: dict[str, dict[Judgement, dict[str, Any]]]) -> None:
    """Draw what each protocol reports, a panel per data set."""
    figure = Figure(figsize=(5 * len(sets), 4.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(sets), sharey=True))
    for axis, (name, results) in zip(axes, sets.items(), strict=True):
        for offset, (judgement, result) in enumerate(results.items()):
            means = [result["mean"][f"val_{score}{judgement.suffix}"] for score in SCORES]
            spreads = [result["std"][f"val_{score}{judgement.suffix}"] for score in SCORES]
            places = np.arange(len(SCORES)) + 0.21 * (offset - 1.5)
            label = f"{judgement.protocol}: {judgement.judged_on}"
            axis.bar(places, means, 0.2, yerr=spreads, capsize=2, color=judgement.colour, label=label)
            for place, mean in zip(places, means, strict=True):
                axis.text(place, 0.02, f"{mean:.2f}", ha="center", fontsize=8)
        axis.set_xticks(range(len(SCORES)), list(SCORES.values()))
        axis.set_ylim(0, 1.05)
        folds = len(next(iter(results.values()))["folds"])
        axis.set_title(f"{name}: {folds} folds, mean and sd", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("validation score")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(HERE / "leakage.png", dpi=130)


if __name__ == "__main__":
    main()
