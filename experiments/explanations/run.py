"""How well saliency maps find delamination that is known: ``python experiments/explanations/run.py CELL DATA``.

CELL is the folder of a cell trained on simulated scans, outputs/cells/…, DATA the simulated data set.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from known import CLASSES, NONE, QUESTIONS, Networks, Question, Sample, read_networks, read_sample
from numpy.typing import NDArray
from sheet import draw_sheet

from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.saliency import scoring
from csam_lightning.saliency.baselines import brightness, edges
from csam_lightning.saliency.saliency import DEFAULT, STRIDES, Method, explain

CAMS = ("GradCAM", "GradCAMPlusPlus", "XGradCAM", "HiResCAM", "LayerCAM", "EigenCAM")
USUAL = Method("GradCAM", "layer4")
TOLERANCE_SHARE = 0.02
"""Of the scan's side: how far from the mask the greatest value may lie in the pointing game."""
THRESHOLDS = np.arange(0.05, 1, 0.05)

Maps = NDArray[np.float32]
Mapper = Callable[[Sample, NDArray[np.int64]], Maps]
"""From scans, and the number of the class that each is asked about, to maps."""


def main() -> None:
    """Choose a method out of fold, measure it on the test split, and write tables and contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cell", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--scans", type=int, default=20, help="out-of-fold scans of each class to choose a method by")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    networks = read_networks(arguments.cell)
    known = read_sample(arguments.cell, arguments.data, folds=[str(fold) for fold in networks], most=arguments.scans)
    known = known.taken(known.codes != NONE)
    choice = pd.DataFrame(choosing(networks, known))
    choice = choice.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    write_table(choice, arguments.output / "choice.md")
    test = read_sample(arguments.cell, arguments.data, folds=["test"])
    table = pd.DataFrame(testing(networks, known, test))
    write_table(table, arguments.output / "test.md")
    draw_sheet(networks, test, arguments.output / "sheet.png")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Print a table and write it as Markdown."""
    rows = [table.columns, ["---"] * table.shape[1], *table.round(2).astype(str).to_numpy()]
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    print(text, flush=True)


def choosing(networks: Networks, known: Sample) -> Iterator[dict[str, object]]:
    """Yield how well each method does on scans that a network did not learn from, best first by the mean of all."""
    rivals = {"edges": lambda sample, _: edges(sample.scans), "brightness": lambda sample, _: brightness(sample.scans)}
    for name, rival in rivals.items():
        yield {"method": name, "layer": "", "question": "", **summary(rival, known)}
    for cam, layer, contrast in itertools.product(CAMS, STRIDES, (False, True)):
        if cam == "EigenCAM" and contrast:
            continue  # it knows no class
        found = summary(out_of_fold(networks, Method(cam, layer), contrast=contrast), known)
        yield {"method": cam, "layer": layer, "question": "why, not D" if contrast else "why", **found}


def summary(mapper: Mapper, known: Sample) -> dict[str, float]:
    """Return hit rate and overlap for A, B and C, each asked why it is what it is, and the mean of the six."""
    found: dict[str, float] = {}
    maps = mapper(known, known.codes)
    for question in QUESTIONS[:3]:
        rows, masks = known.asked(question)
        found[f"hit {question.label}"] = float(scoring.pointing(maps[rows], masks, tolerance=tolerance(known)).mean())
        found[f"IoU {question.label}"] = float(scoring.overlap(maps[rows], masks).mean())
    return {**found, "mean": float(np.mean(list(found.values())))}


def tolerance(sample: Sample) -> int:
    """Return the pointing game's tolerance in pixels."""
    return round(TOLERANCE_SHARE * sample.scans.shape[-1])


def out_of_fold(networks: Networks, method: Method, *, contrast: bool) -> Mapper:
    """Return a mapper that asks, for each scan, the network that did not learn from it."""

    def mapper(sample: Sample, codes: NDArray[np.int64]) -> Maps:
        maps = np.zeros(sample.scans.shape, np.float32)
        for number, network in networks.items():
            mine = sample.table["fold"].eq(str(number)).to_numpy()
            against = np.full(mine.sum(), NONE) if contrast else None
            if mine.any():
                maps[mine] = explain([network], sample.scans[mine], codes[mine], against=against, method=method)
        return maps

    return mapper


def ensemble(networks: list[ScanClassifier], method: Method, *, contrast: bool) -> Mapper:
    """Return a mapper that asks all networks."""
    return lambda sample, codes: explain(
        networks, sample.scans, codes, against=np.full(len(codes), NONE) if contrast else None, method=method
    )


def testing(networks: Networks, known: Sample, test: Sample) -> Iterator[dict[str, object]]:
    """Yield scores on the test split: of the default method, of the usual one, and of what knows no network."""
    trained = list(networks.values())
    untrained = [fresh(network, known, seed) for seed, network in enumerate(trained)]
    # name: (on the test split, where its threshold is chosen)
    rivals: dict[str, tuple[Mapper, Mapper]] = {
        f"{DEFAULT.cam} {DEFAULT.layer}, why, not D (the default)": (
            ensemble(trained, DEFAULT, contrast=True),
            out_of_fold(networks, DEFAULT, contrast=True),
        ),
        f"{USUAL.cam} {USUAL.layer}, why (the usual)": (
            ensemble(trained, USUAL, contrast=False),
            out_of_fold(networks, USUAL, contrast=False),
        ),
        "the default, networks untrained": (ensemble(untrained, DEFAULT, contrast=True),) * 2,
        "brightness": (lambda sample, _: brightness(sample.scans),) * 2,
        "edges": (lambda sample, _: edges(sample.scans),) * 2,
    }
    for name, (mapper, chooser) in rivals.items():
        threshold = best_threshold(chooser, known)
        for question in QUESTIONS:
            rows, masks = test.asked(question)
            part = test.taken(rows)
            maps = mapper(part, np.full(len(masks), CLASSES.index(question.asked)))
            values = {
                "hit": scoring.pointing(maps, masks, tolerance=tolerance(part)),
                "IoU": scoring.overlap(maps, masks),
                "energy": scoring.inside(maps, masks),
                "IoU at threshold": scoring.overlap_above(maps, masks, threshold),
            }
            yield {**head(name, question, part), **told(values, part), "threshold": f"{threshold:.2f}"}
    for question in QUESTIONS:
        rows, masks = test.asked(question)
        part = test.taken(rows)
        share = scoring.area(masks)
        near = scoring.area(scoring.widened(masks, tolerance(part)))
        values = {"hit": near, "IoU": share / (2 - share), "energy": share, "IoU at threshold": share}
        yield {**head("chance (closed form)", question, part), **told(values, part), "threshold": "all"}


def head(name: str, question: Question, part: Sample) -> dict[str, object]:
    """Return the first columns of a row."""
    return {"map": name, "scans": question.label, "asked for": question.asked, "number": len(part.table)}


def told(values: dict[str, NDArray[np.float64]], part: Sample) -> dict[str, object]:
    """Return means with 95 % intervals over packages."""
    packages = part.table["package_id"].to_numpy(dtype=str)
    found = {name: scoring.interval(each, packages) for name, each in values.items()}
    return {name: f"{one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]" for name, one in found.items()}


def best_threshold(mapper: Mapper, known: Sample) -> float:
    """Return the threshold with the best overlap out of fold, mean over A, B and C."""
    maps, scores = mapper(known, known.codes), []
    for question in QUESTIONS[:3]:
        rows, masks = known.asked(question)
        scores.append([scoring.overlap_above(maps[rows], masks, threshold).mean() for threshold in THRESHOLDS])
    return float(THRESHOLDS[np.mean(scores, axis=0).argmax()])


def fresh(network: ScanClassifier, sample: Sample, seed: int) -> ScanClassifier:
    """Return the same network untrained, with random weights; batch normalisation has seen the scans."""
    torch.manual_seed(seed)
    settings = {name: value for name, value in network.hparams.items() if name != "epoch"}
    untrained = ScanClassifier(weights=None, **settings).train()
    with torch.no_grad():
        for _ in range(30):
            untrained(torch.from_numpy(sample.scans[:, None]))
    return untrained.eval()


if __name__ == "__main__":
    main()
