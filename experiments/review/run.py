"""Tables of experiments/review: ``python experiments/review/run.py MODEL,MODEL... SIMULATED FRESH OTHER...``.

MODEL as for predict, the same cell of several seeds; SIMULATED the data set that they were trained on, FRESH one of
another seed, OTHER folders of images of something else.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from csam_lightning.evaluation.conformal import COVERAGE, Unit
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.predicting.judging import judge_scans
from csam_lightning.predicting.review import ReviewRule
from csam_lightning.predicting.scans import Scan
from csam_lightning.predicting.sources import scans_of
from csam_lightning.progress import track
from csam_lightning.registry.find import load_model

HERE = Path(__file__).parent
Pixels = NDArray[np.uint8]
SIDE = 400  # pixels of a simulated scan
MOST = 200  # images of each folder of something else
COVERAGES = (0.8, 0.9, 0.95)


def main() -> None:
    """Write table.md beside this file."""
    models, simulated, fresh, *others = sys.argv[1:]
    ensembles = [load_model(model) for model in models.split(",")]
    table = labelled(Path(fresh), None)
    columns = ("model", "unit", "coverage", "of", "number", "right", "covered", "classes in a set", "left to the model")
    lines = [f"| {' | '.join((*columns, 'of these right', 'of these escapes'))} |", "| --- " * 11 + "|"]
    for number, ensemble in enumerate(ensembles):
        for unit in (Unit.package, Unit.scan):
            for coverage in COVERAGES:
                rule = ReviewRule(coverage, unit=unit)
                judged = verdicts(ensemble, [Scan(path, Path(path)) for path in table["file"]], rule)
                judged = judged.assign(label=table["label"].to_numpy(), metallization=table["metallization"].to_numpy())
                lines += [f"| {number} | {unit} | {coverage} | {row}" for row in in_use(judged)]
    lines += [
        "",
        f"| scans | number | p ≤ 0.01 | p ≤ 0.05 | of another kind | looked at, at a coverage of {COVERAGE} |",
    ]
    lines += ["| --- " * 6 + "|"]
    ensemble = ensembles[0]
    known = [
        Scan(path, Path(path)).pixels(ensemble.facts.sample_bits) for path in labelled(Path(simulated), "test")["file"]
    ]
    files = {Path(folder).name: [*scans_of(Path(folder), None)] for folder in others}
    chosen = {f"images of {name}": scans[:: max(1, len(scans) // MOST)][:MOST] for name, scans in files.items()}
    for name, scans in {"test split, as scanned": as_scans(known), **dict(strange(known)), **chosen}.items():
        lines.append(f"| {name} | {flagged(verdicts(ensemble, scans, ReviewRule()))}")
    (HERE / "table.md").write_text("\n".join(lines) + "\n")


def labelled(folder: Path, split: str | None) -> pd.DataFrame:
    """Return a data set's scans with their files, of one split or of all."""
    table = pd.read_csv(folder / "manifest.csv", dtype={"label": str})
    table = table[table["split"] == split] if split else table
    return table.assign(file=[str(folder / path) for path in table["path"]])


def verdicts(ensemble: Ensemble, scans: list[Scan], rule: ReviewRule) -> pd.DataFrame:
    """Return a row for each scan that can be read."""
    stream = track(judge_scans(ensemble, scans, rule), description="judging", total=len(scans))
    return pd.DataFrame(
        [
            {
                "predicted": one.verdict.predicted,
                "fitting": one.verdict.fitting,
                "novelty": one.verdict.novelty,
                "odd": bool(one.prepared.oddities),
                "review": one.verdict.needs_review,
            }
            for one in stream
            if one.prepared is not None
        ]
    )


def in_use(judged: pd.DataFrame) -> Iterator[str]:
    """Yield the rest of a line for all scans, each class and each metallization."""
    parts = {"all": judged}
    parts |= {f"class {name}": part for name, part in judged.groupby("label")}
    parts |= {str(name): part for name, part in judged.groupby("metallization")}
    for name, part in parts.items():
        right = part["predicted"] == part["label"]
        covered = [label in fitting for label, fitting in zip(part["label"], part["fitting"], strict=True)]
        left, size = ~part["review"], part["fitting"].map(len).mean()
        yield (
            f"{name} | {len(part)} | {right.mean():.3f} | {np.mean(covered):.3f} | {size:.2f} | "
            f"{left.mean():.2f} | "
            + (f"{right[left].mean():.3f} ({(~right[left]).sum()} wrong) | " if left.any() else "- | ")
            + f"{((part['predicted'] == 'D') & (part['label'] != 'D') & left).sum()} |"
        )


def strange(known: list[Pixels]) -> Iterator[tuple[str, list[Scan]]]:
    """Yield sets of what a model of power packages never saw."""
    rng = np.random.default_rng(0)
    shape = (MOST, SIDE, SIDE)
    yield "of one grey value", as_scans([np.full(shape[1:], value, np.uint8) for value in range(0, 256, 17)])
    yield "blank, with noise", as_scans([*np.clip(rng.normal(90, 8, (50, *shape[1:])), 0, 255).astype(np.uint8)])
    yield "noise", as_scans([*rng.integers(0, 256, (50, *shape[1:]), dtype=np.uint8)])
    changes: dict[str, Callable[[Pixels], Pixels]] = {
        "inverted grey": lambda pixels: 255 - pixels,
        "darkened to 40 %": lambda pixels: (pixels * 0.4).astype(np.uint8),
        "turned by 90°": lambda pixels: np.rot90(pixels).copy(),
        "a quarter of the view": lambda pixels: pixels[: len(pixels) // 2, : len(pixels) // 2].copy(),
        "left and right half swapped": lambda pixels: np.roll(pixels, len(pixels) // 2, axis=1),
    }
    for name, change in changes.items():
        yield f"test split, {name}", as_scans([change(pixels) for pixels in known])
    photographs = [image.mean(axis=2).astype(np.uint8) for image in load_sample_images().images]
    yield "crops of two photographs", as_scans([crop(rng, photographs[number % 2]) for number in range(100)])


def crop(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Return a square at random."""
    top, left = (int(rng.integers(0, length - SIDE // 2)) for length in pixels.shape)
    return pixels[top : top + SIDE // 2, left : left + SIDE // 2].copy()


def as_scans(images: list[Pixels]) -> list[Scan]:
    """Return grey images as scans."""
    return [Scan(str(number), image) for number, image in enumerate(images)]


def flagged(judged: pd.DataFrame) -> str:
    """Return the rest of a line of the second table."""
    shares = [judged["novelty"] <= 0.01, judged["novelty"] <= 0.05, judged["odd"], judged["review"]]  # noqa: PLR2004
    return " | ".join([str(len(judged)), *(f"{share.mean():.2f}" for share in shares)]) + " |"


if __name__ == "__main__":
    main()
