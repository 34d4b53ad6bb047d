"""Look at the simulated data set: contact sheet, class counts per read-out, what trivial classifiers reach."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from csam_lightning.figures.style import class_styles

mpl.use("Agg")
from matplotlib import pyplot as plt

CLASSES = "ABCD"
METALLIZATIONS = ("Ag", "NiPdAu", "Cu")
TILE_PX = 116
NEAR_THE_LINE = (0.08, 0.125)


def main() -> None:
    """Write the figures and tables beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that python -m csam_lightning.simulate has written")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="where figures and tables go")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    truth = pd.read_csv(arguments.data / "truth.csv")
    train = truth[truth["split"] == "train"].reset_index(drop=True)
    contact_sheet(arguments.data, train, arguments.output / "contact_sheet.png")
    growth_sheet(arguments.data, train, arguments.output / "growth.png")
    class_counts(train, arguments.output / "class_counts.png")
    lines = [*describe(truth), "", *trivial_classifiers(arguments.data, train)]
    (arguments.output / "tables.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def tile(data: Path, row: pd.Series, note: str = "") -> NDArray[np.uint8]:
    """Return one scan as a (TILE_PX, TILE_PX) picture with a note in its corner."""
    image = cv2.imread(str(data / row["path"]), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(image, (TILE_PX - 2, TILE_PX - 2), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(90,))
    if note:
        cv2.putText(framed, note, (3, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (255,), 1, cv2.LINE_AA)
    return np.asarray(framed, dtype=np.uint8)


def contact_sheet(data: Path, train: pd.DataFrame, path: Path) -> None:
    """Draw one scan for each class, metallization and read-out; a cell is empty where there is no such scan."""
    cycles = sorted(train["cycles"].unique())
    rows = [(metal, label) for metal in METALLIZATIONS for label in CLASSES]
    figure, axes = plt.subplots(len(rows), len(cycles), figsize=(1.0 * len(cycles) + 0.5, 1.0 * len(rows)))
    for (metal, label), line in zip(rows, axes, strict=True):
        for when, axis in zip(cycles, line, strict=True):
            fits = train["metallization"].eq(metal) & train["label"].eq(label) & train["cycles"].eq(when)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_facecolor("0.93")
            if fits.any():
                axis.imshow(tile(data, train[fits].iloc[fits.sum() // 2]), cmap="gray", vmin=0, vmax=255)
            if when == cycles[0]:
                axis.set_ylabel(f"{metal} {label}", fontsize=7)
            if (metal, label) == rows[0]:
                axis.set_title(f"{when} cycles", fontsize=7)
    figure.subplots_adjust(left=0.06, right=0.995, top=0.975, bottom=0.005, wspace=0.03, hspace=0.03)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def growth_sheet(data: Path, train: pd.DataFrame, path: Path) -> None:
    """Draw the life of a few packages that end in different classes, with labels and true shares of the two regions."""
    ends = train[train["cycles"] == train["cycles"].max()]
    wanted = [("NiPdAu", "A"), ("NiPdAu", "C"), ("Ag", "A"), ("Ag", "B"), ("Cu", "B"), ("Cu", "D")]
    lines = []
    for metal, label in wanted:
        found = ends[ends["metallization"].eq(metal) & ends["label"].eq(label)]
        if len(found):
            life = train[train["package_id"] == found["package_id"].iloc[len(found) // 2]].sort_values("cycles")
            notes = [
                f"{row.label} {row.die_pad_share:.0%} {row.bond_pad_share:.0%}" for row in life.itertuples(index=False)
            ]
            tiles = [tile(data, row, note) for (_, row), note in zip(life.iterrows(), notes, strict=True)]
            lines.append(np.hstack(tiles))
    cv2.imwrite(str(path), np.vstack(lines))


def class_counts(train: pd.DataFrame, path: Path) -> None:
    """Draw the scans per class at each read-out, before any balancing."""
    table = pd.crosstab(train["cycles"], train["label"]).reindex(columns=list(CLASSES), fill_value=0)
    axis = table.plot.bar(figsize=(6, 3.2), width=0.8, color=[look.colour for look in class_styles(CLASSES).values()])
    for container in axis.containers:
        axis.bar_label(container, fontsize=6)
    axis.set_xlabel("thermal cycles")
    axis.set_ylabel("scans")
    axis.tick_params(axis="x", rotation=0)
    axis.legend(["A die pad", "B bond pads", "C both", "D none"], ncols=4, fontsize=7, loc="upper center")
    axis.set_ylim(0, 165)
    axis.spines[["top", "right"]].set_visible(False)
    axis.figure.tight_layout()
    axis.figure.savefig(path, dpi=120)
    plt.close(axis.figure)


def describe(truth: pd.DataFrame) -> Iterator[str]:
    """Yield tables of classes by read-out, metallization and split, and how many scans lie near the 10 % line."""
    train, test = truth[truth["split"] == "train"], truth[truth["split"] == "test"]
    yield "train, class by read-out\n" + pd.crosstab(train["cycles"], train["label"], margins=True).to_string()
    yield "\ntrain, class by metallization\n" + pd.crosstab(train["metallization"], train["label"]).to_string()
    packages = {label: group["package_id"].nunique() for label, group in train.groupby("label")}
    early = train[train["cycles"] <= 200].groupby("label")["package_id"].nunique().to_dict()  # noqa: PLR2004
    yield f"\ntrain, packages per class: {packages}; up to 200 cycles: {early}"
    yield "\ntest, class by metallization\n" + pd.crosstab(test["metallization"], test["label"]).to_string()
    near = truth["die_pad_share"].between(*NEAR_THE_LINE) | truth["bond_pad_share"].between(*NEAR_THE_LINE)
    yield f"\ntrain scans with a share from 8 to 12.5 %: {near[train.index].mean():.1%}"
    yield f"train labels that the observer got wrong: {(train['label'] != train['true_label']).mean():.1%}"


def trivial_classifiers(data: Path, train: pd.DataFrame) -> Iterator[str]:
    """Yield what trivial classifiers on 32×32 pixels reach in five-fold cross-validation grouped by package."""
    images = [cv2.imread(str(data / path), cv2.IMREAD_GRAYSCALE) for path in train["path"]]
    pixels = np.array([cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).ravel() for image in images]) / 255
    labels = train["label"].to_numpy(dtype=str)
    classifiers = {
        "majority class": None,
        "1-nearest neighbour": KNeighborsClassifier(1),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
        "logistic regression, balanced": make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, max_iter=500, class_weight="balanced")
        ),
    }
    yield f"{'classifier':<32}{'accuracy':>9}{'macro recall':>14}{'recall A':>10}{'B':>6}{'C':>6}{'D':>6}"
    for name, classifier in classifiers.items():
        predicted = np.full(len(labels), "D", dtype=labels.dtype)
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        for fit, hold in folds.split(pixels, labels, train["package_id"]):
            if classifier is not None:
                predicted[hold] = classifier.fit(pixels[fit], labels[fit]).predict(pixels[hold])
        each = recall_score(labels, predicted, average=None, labels=list(CLASSES))
        accuracy, macro = accuracy_score(labels, predicted), balanced_accuracy_score(labels, predicted)
        yield f"{name:<32}{accuracy:>9.3f}{macro:>14.3f}{each[0]:>10.2f}" + "".join(f"{one:>6.2f}" for one in each[1:])


if __name__ == "__main__":
    main()
