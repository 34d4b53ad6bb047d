"""Figures of the data: class counts before and after balancing, and what becomes of each metallization."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from csam_lightning.evaluation.operating_point import DELAMINATION, REGIONS
from csam_lightning.figures.style import PAGE, class_styles, shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from csam_lightning.reporting.evidence import Example

NAMED_REGIONS = {region.replace("_", " "): classes for region, classes in REGIONS.items()}
"""Regions as people read them → classes in which they are delaminated."""
MOST_METALLIZATIONS = 6
"""More rows would not fit a page."""
UNKNOWN = -1
"""Stands for an unknown read-out where tables are grouped."""


def counts_before(scans: "pd.DataFrame") -> "pd.DataFrame":
    """Return scans of the training split per read-out (rows) and class (columns).

    Args:
        scans: Columns ``cycles``, ``label``, ``split``.
    """
    import pandas as pd

    known = scans[(scans["split"] == "train") & scans["label"].notna()]
    return pd.crosstab(known["cycles"].fillna(UNKNOWN).astype(int), known["label"])


def counts_after(balance: "pd.DataFrame", column: str) -> "pd.DataFrame":
    """Return images of the balanced sets per read-out (rows) and class (columns), mean over the sets.

    Args:
        balance: Columns ``fold``, ``cycles``, ``label``, ``scans``, ``copies``.
        column: ``scans`` or ``copies``.
    """
    cycles = balance["cycles"].fillna(UNKNOWN).astype(int)
    totals = balance.assign(cycles=cycles).pivot_table(
        index="cycles", columns="label", values=column, aggfunc="sum", fill_value=0
    )
    return totals.astype(float) / balance["fold"].nunique()


def draw_class_counts(scans: "pd.DataFrame", balance: "pd.DataFrame", classes: Sequence[str]) -> Figure:
    """Draw how many scans of each class every read-out has, before and after balancing.

    Args:
        scans: See :func:`counts_before`.
        balance: See :func:`counts_after`.
        classes: Class names in order.
    """
    before = counts_before(scans)
    as_scanned, copies = counts_after(balance, "scans"), counts_after(balance, "copies")
    read_outs = sorted({*before.index, *as_scanned.index})
    before, as_scanned, copies = (
        table.reindex(index=read_outs, columns=list(classes), fill_value=0) for table in (before, as_scanned, copies)
    )
    figure = Figure(figsize=(PAGE, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    _stack(axes[0], [before], classes)
    _stack(axes[1], [as_scanned, copies], classes)
    highest = max(before.sum(axis=1).max(), (as_scanned + copies).sum(axis=1).max())
    axes[0].set(title="before: training split as scanned", ylabel="images", ylim=(0, 1.05 * highest))
    axes[1].set(title="after: balanced training images")
    for axis in axes:
        axis.set_xticks(
            range(len(read_outs)), ["unknown" if cycles == UNKNOWN else str(cycles) for cycles in read_outs]
        )
        axis.set_xlabel("read-out / thermal cycles")
    handles = [
        Patch(label=shown(name), facecolor=style.colour, hatch=style.hatch)
        for name, style in class_styles(classes).items()
    ]
    handles.append(Patch(label="paler: augmented copies", facecolor="#cccccc"))
    figure.legend(handles=handles, loc="outside upper center", ncols=6)
    return figure


def _stack(axis: "Axes", layers: Sequence["pd.DataFrame"], classes: Sequence[str]) -> None:
    """Stack bars, class on class; the second layer of each class paler on top of its first."""
    bottom = np.zeros(len(layers[0]))
    for name, style in class_styles(classes).items():
        for table, alpha in zip(layers, (1.0, 0.45), strict=False):
            heights = table[name].to_numpy(dtype=float)
            bars = axis.bar(range(len(heights)), heights, bottom=bottom, color=style.colour, alpha=alpha)
            for bar in bars:
                bar.set(edgecolor="white", linewidth=0.5, hatch=style.hatch)
            bottom += heights


def delaminated(scans: "pd.DataFrame") -> "pd.DataFrame":
    """Return the share of scans of the training split in which each region is delaminated.

    Args:
        scans: Columns ``metallization``, ``cycles``, ``label`` (A to D), ``split``.

    Returns:
        Columns ``metallization``, ``cycles``, ``scans`` and one for each region, sorted; no rows where metallizations
        or read-outs are unknown.
    """
    known = scans[scans["split"] == "train"].dropna(subset=["metallization", "cycles", "label"])
    flags = {region: known["label"].isin(classes) for region, classes in NAMED_REGIONS.items()}
    groups = known.assign(**flags).groupby(["metallization", "cycles"])
    return groups[list(NAMED_REGIONS)].mean().assign(scans=groups.size()).reset_index()


def draw_metallizations(shares: "pd.DataFrame", examples: Sequence["Example"]) -> Figure:
    """Draw, for each metallization, scans at its first and last read-out and the share delaminated per region.

    Args:
        shares: As :func:`delaminated` returns them; not empty.
        examples: Scans to show; may be empty.
    """
    names = sorted(shares["metallization"].unique())[:MOST_METALLIZATIONS]
    pictures = max((sum(example.metallization == name for example in examples) for name in names), default=0)
    figure = Figure(figsize=(PAGE, 0.6 + 2.1 * len(names)), layout="constrained")
    axes = figure.subplots(
        len(names), pictures + 1, squeeze=False, gridspec_kw={"width_ratios": [*[1.0] * pictures, 2.2]}
    )
    for row, name in zip(axes, names, strict=True):
        mine = [example for example in examples if example.metallization == name]
        for axis in row[:-1]:
            axis.axis("off")
        for axis, example in zip(row[:-1], mine, strict=False):
            axis.imshow(example.pixels, cmap="gray", vmin=0, vmax=255)
            axis.set_title(f"{shown(name)}, {example.cycles} cycles: {shown(example.label)}", fontsize=9)
        _draw_shares(row[-1], shares[shares["metallization"] == name], shown(name))
    ends = [max(shares["cycles"]), min(shares["cycles"])]
    for axis in axes[:, -1]:
        axis.set_xlim(ends[1] - 0.03 * (ends[0] - ends[1] or 1), ends[0] + 0.03 * (ends[0] - ends[1] or 1))
    axes[-1, -1].set_xlabel("read-out / thermal cycles")
    axes[0, -1].legend(loc="upper left", fontsize=9)
    return figure


def _draw_shares(axis: "Axes", shares: "pd.DataFrame", name: str) -> None:
    styles = class_styles(DELAMINATION)
    for (region, classes), sign in zip(NAMED_REGIONS.items(), ("o-", "s--"), strict=True):
        label = f"{region} ({' or '.join(classes)})"
        cycles = shares["cycles"].to_numpy(dtype=float)
        axis.plot(cycles, shares[region].to_numpy(dtype=float), sign, color=styles[classes[0]].colour, label=label)
    axis.set_ylim(-0.04, 1.04)
    axis.set_ylabel("share delaminated")
    counts = sorted(set(shares["scans"]))
    each = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    axis.set_title(f"{name}: {each} scans per read-out", fontsize=9)
    axis.grid(alpha=0.3)
