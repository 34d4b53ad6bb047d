"""Tables and figure of experiments/calibration: python experiments/calibration/run.py OUTPUTS/cells/ID/results."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from csam_lightning.evaluation.calibration import at_temperature, class_sets, fit_temperature, reliability
from csam_lightning.evaluation.predictions import held_out, said_of_test_split
from csam_lightning.figures.calibration import draw_reliability
from csam_lightning.figures.style import save_png, styled

HERE = Path(__file__).parent
DRAWS = 1000


def main() -> None:
    """Write table.md and reliability.png beside this file."""
    results = Path(sys.argv[1])
    result = json.loads((results / "result.json").read_text())
    classes, numbers = result["out_of_fold"]["classes"], [fold["fold"] for fold in result["folds"]]
    table = pd.read_csv(results / "predictions.csv", dtype={"label": str, "fold": str}, keep_default_na=False)
    known = held_out(table, classes, numbers)
    logs, codes = said_of_test_split(table, classes, numbers)
    paths = table.loc[(table["split"] == "test") & (table["fold"] == str(numbers[0])), "path"]
    metallization = pd.read_csv(results / "scans.csv").set_index("path").loc[paths, "metallization"].to_numpy()
    temperature = fit_temperature(known.log_probabilities, known.codes)
    lines = [
        "| temperature | scans | accuracy | mean confidence | ECE | ECE if calibrated, mean (95 %) | cross-entropy |"
    ]
    lines += ["| --- " * 7 + "|"]
    panels = {}
    for value in (1.0, temperature):
        ensemble = at_temperature(logs, value).mean(axis=0)
        lines.append(row(f"{value:.3f}", "out of fold", at_temperature(known.log_probabilities, value), known.codes))
        lines.append(row(f"{value:.3f}", "test, ensemble", ensemble, codes))
        found = reliability(ensemble, codes)
        panels[f"test split, ensemble, T = {value:.2f}"] = (found.scans, found.confidence, found.accuracy)
    lines += ["", "| coverage asked for | compared | scans | covered | classes in a set | one class | none |"]
    lines += ["| --- " * 7 + "|"]
    each = at_temperature(logs, temperature)
    for coverage in (0.9, 0.95):
        for by_class in (True, False):
            sets = class_sets(known, each, temperature=temperature, coverage=coverage, by_class=by_class)
            told = f"| {coverage} | {'class by class' if by_class else 'all together'}"
            lines += [f"{told} | {part}" for part in parts(sets, codes, classes, metallization)]
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    with styled():
        save_png(draw_reliability(panels), HERE / "reliability.png")


def row(temperature: str, name: str, probabilities: NDArray[np.float64], codes: NDArray[np.int64]) -> str:
    """Return a line of the first table; what chance does to ECE is told by labels drawn from the probabilities."""
    rng = np.random.default_rng(0)
    edges = probabilities.cumsum(axis=1)
    draws = [(edges[:, :-1] < rng.random((len(codes), 1))).sum(axis=1) for _ in range(DRAWS)]
    chance = [reliability(probabilities, drawn).error for drawn in draws]
    loss = -np.log(probabilities[np.arange(len(codes)), codes]).mean()
    accuracy, confidence = (probabilities.argmax(axis=1) == codes).mean(), probabilities.max(axis=1).mean()
    error = reliability(probabilities, codes).error
    return (
        f"| {temperature} | {len(codes)}, {name} | {accuracy:.3f} | {confidence:.3f} | {error:.3f} | "
        f"{np.mean(chance):.3f} ({np.quantile(chance, 0.95):.3f}) | {loss:.3f} |"
    )


def parts(
    sets: NDArray[np.bool_], codes: NDArray[np.int64], classes: list[str], metallization: NDArray[np.object_]
) -> Iterator[str]:
    """Yield the rest of a line of the second table: for all scans, each class and each metallization."""
    chosen = {"all": np.ones(len(codes), dtype=bool)}
    chosen |= {f"class {name}": codes == code for code, name in enumerate(classes)}
    chosen |= {str(name): metallization == name for name in sorted(set(metallization))}
    covered, sizes = sets[np.arange(len(codes)), codes], sets.sum(axis=1)
    for name, mask in chosen.items():
        size = sizes[mask]
        yield (
            f"{mask.sum()}, {name} | {covered[mask].mean():.3f} | {size.mean():.2f} | "
            f"{(size == 1).mean():.2f} | {(size == 0).mean():.2f} |"
        )


if __name__ == "__main__":
    main()
