"""Compare bf16 with fp32 over seeds: ``python experiments/bf16/run.py SWEEP...``.

SWEEP is the folder of a sweep over ``seed`` and ``trainer.precision`` (``outputs/sweeps/…``). Writes table.md beside
this file.
"""

import json
import math
import sys
from pathlib import Path

import pandas as pd
from omegaconf import OmegaConf
from scipy import stats

HERE = Path(__file__).parent
FP32, BF16 = "32-true", "bf16-mixed"
SCORES = {
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "val_recall": "validation macro recall",
    "test_accuracy": "test accuracy, ensemble",
    "test_recall": "test macro recall, ensemble",
}
LEVEL = 0.95  # of the interval of the mean difference


def main() -> None:
    """Write the table."""
    files = [file for sweep in sys.argv[1:] for file in Path(sweep).glob("*/result.json")]
    by_seed = pd.DataFrame([scores(file) for file in files]).pivot_table(index="seed", columns="precision").dropna()
    lines = ["| score | " + " | ".join(f"seed {seed}" for seed in by_seed.index) + " | bf16 − fp32, mean |"]
    lines += ["| --- " * (len(by_seed) + 2) + "|"]
    for score, title in SCORES.items():
        pairs = by_seed[score]
        cells = " | ".join(f"{fp32:.3f} / {bf16:.3f}" for fp32, bf16 in zip(pairs[FP32], pairs[BF16], strict=True))
        lines.append(f"| {title} | {cells} | {difference(pairs[BF16] - pairs[FP32])} |")
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def scores(file: Path) -> dict[str, float | str]:
    """Return a cell's seed, precision and scores: means of its folds, and those of their ensemble on the test split."""
    result = json.loads(file.read_text())
    precision = str(OmegaConf.load(file.with_name("config.yaml"))["trainer"]["precision"])
    means = {name: result["mean"][name] for name in SCORES if name in result["mean"]}
    test = {f"test_{name}": value for name, value in result["test"].items() if f"test_{name}" in SCORES}
    return {"seed": result["cell"]["seed"], "precision": precision, **means, **test}


def difference(pairs: "pd.Series[float]") -> str:
    """Return mean and Student's confidence interval of paired differences."""
    half = stats.t.ppf((1 + LEVEL) / 2, len(pairs) - 1) * pairs.std() / math.sqrt(len(pairs))
    return f"{pairs.mean():+.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
