"""Tables and figure of experiments/calibration: python experiments/calibration/run.py OUTPUTS/cells/ID/results."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from csam_lightning.evaluation.calibration import Calibration, fit_calibration, fit_temperature, uncalibrated
from csam_lightning.evaluation.conformal import Unit, class_sets
from csam_lightning.evaluation.predictions import held_out, packages_of_test_split, said_of_test_split
from csam_lightning.evaluation.reliability import class_reliability
from csam_lightning.figures.calibration import draw_reliability
from csam_lightning.figures.style import save_png, styled

HERE = Path(__file__).parent


def main() -> None:
    """Write table.md and reliability.png beside this file."""
    results = Path(sys.argv[1])
    result = json.loads((results / "result.json").read_text())
    classes, numbers = result["out_of_fold"]["classes"], [fold["fold"] for fold in result["folds"]]
    table = pd.read_csv(
        results / "predictions.csv", dtype={"label": str, "fold": str, "package_id": str}, keep_default_na=False
    )
    known = held_out(table, classes, numbers)
    logs, codes = said_of_test_split(table, classes, numbers)
    paths = table.loc[(table["split"] == "test") & (table["fold"] == str(numbers[0])), "path"]
    metallization = pd.read_csv(results / "scans.csv").set_index("path").loc[paths, "metallization"].to_numpy()
    calibrations = fitted(known.log_probabilities, known.codes)
    folds = known.networks
    out_of_fold = {name: np.empty_like(known.log_probabilities) for name in calibrations}
    for fold in np.unique(folds):
        mine = folds == fold
        for name, calibration in fitted(known.log_probabilities[~mine], known.codes[~mine]).items():
            out_of_fold[name][mine] = calibration.probabilities(known.log_probabilities[mine])
    packages = packages_of_test_split(table, numbers)
    lines = [
        "| calibration | scans | accuracy | cross-entropy | " + " | ".join(f"ECE {name}" for name in classes) + " |"
    ]
    lines[0] += "".join(f" right where p_{name} > 0.8 |" for name in classes)
    lines += ["| --- " * (4 + 2 * len(classes)) + "|"]
    curves = {}
    for name, calibration in calibrations.items():
        ensemble = calibration.probabilities(logs).mean(axis=0)
        lines.append(row(name, "out of fold", out_of_fold[name], known.codes, known.packages))
        lines.append(row(name, "test, ensemble", ensemble, codes, packages))
        found = class_reliability(out_of_fold[name], known.codes, known.packages)
        curves[name] = [one.curve for one in found]
    lines += ["", "| coverage asked for | unit | scans | covered | classes in a set | one class | none |"]
    lines += ["| --- " * 7 + "|"]
    calibration = calibrations["temperature and bias"]
    each = calibration.probabilities(logs)
    for coverage in (0.9, 0.95):
        for unit in (Unit.package, Unit.scan):
            sets = class_sets(known, each, calibration=calibration, coverage=coverage, unit=unit)
            lines += [f"| {coverage} | {unit} | {part}" for part in parts(sets, codes, classes, metallization)]
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    with styled():
        drawn = {name: curves[name] for name in ("temperature", "temperature and bias")}
        save_png(draw_reliability(classes, drawn, title="out of fold, cross-fitted"), HERE / "reliability.png")


def fitted(logs: NDArray[np.float64], codes: NDArray[np.int64]) -> dict[str, Calibration]:
    """Return the calibrations to compare, fitted on some scans."""
    zeros = (0.0,) * logs.shape[1]
    return {
        "none": uncalibrated(logs.shape[1]),
        "temperature": Calibration(fit_temperature(logs, codes), zeros),
        "temperature and bias": fit_calibration(logs, codes),
    }


def row(
    calibration: str,
    name: str,
    probabilities: NDArray[np.float64],
    codes: NDArray[np.int64],
    packages: NDArray[np.int64] | None,
) -> str:
    """Return a line of the first table."""
    loss = -np.log(probabilities[np.arange(len(codes)), codes]).mean()
    accuracy = (probabilities.argmax(axis=1) == codes).mean()
    found = class_reliability(probabilities, codes, packages)
    errors = [f"{one.error:.3f} ({one.low:.3f} to {one.high:.3f})" for one in found]
    sure = [f"{one.sure.value:.2f} of {one.sure.scans}" if one.sure.scans else "none" for one in found]
    parts = [calibration, f"{len(codes)}, {name}", f"{accuracy:.3f}", f"{loss:.3f}", *errors, *sure]
    return f"| {' | '.join(parts)} |"


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
