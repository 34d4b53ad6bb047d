"""What a data set holds, as lines of text."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from csam_lightning.data.inspection import ImageCounts
from csam_lightning.data.manifest import Manifest
from csam_lightning.data.selection import Protocol, spans_text, workable_sizes
from csam_lightning.data.survey import LookCount
from csam_lightning.wording import counted

MOST_SIZES = 5  # image sizes that are listed one by one


def summary(manifest: Manifest, images: ImageCounts, *, protocol: Protocol, num_folds: int) -> Iterator[str]:
    """Yield lines: counts of scans, packages and classes, image sizes and kinds, and the data sizes that work.

    Args:
        manifest: The scans; cells that broke a rule are NA.
        images: What the image files hold.
        protocol: The protocol that data sizes are judged by.
        num_folds: The number of folds that data sizes are judged by.
    """
    table = manifest.table
    packages = table["package_id"].nunique()
    number = counted(packages, "package") if packages else "unknown packages"
    yield f"{counted(len(table), 'scan')} of {number} in {len(manifest.classes)} classes"
    yield ""
    yield from _counts(table).to_string().splitlines()
    yield ""
    yield f"image sizes, pixels: {_sizes(images.sizes)}"
    modes = ", ".join(f"{mode} ({count})" for mode, count in images.modes.most_common())
    yield f"kinds of pixels: {modes or 'none read'}"
    if images.looks:
        yield f"colours: {', '.join(_look(look, count) for look, count in images.looks.items())}"
    bits = images.sample_bits
    if bits is not None:
        yield f"range of the 16-bit samples: {bits} bits, 0 to {(1 << bits) - 1}"
    sizes = workable_sizes(training_scans(manifest), classes=manifest.classes, protocol=protocol, num_folds=num_folds)
    chance = " (smaller ones depend on the seed)" if sizes and table["cycles"].isna().any() else ""
    yield f"data sizes that work ({protocol} protocol, {num_folds} folds): {spans_text(sizes) or 'none'}{chance}"


def training_scans(manifest: Manifest) -> pd.DataFrame:
    """Return the labelled scans of the training split."""
    table = manifest.table
    return table[(table["split"] == "train") & table["label"].notna()].reset_index(drop=True)


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return scans per class (rows) and per split and read-out (columns), with totals."""
    unknown = -1
    cycles = table["cycles"].fillna(unknown).astype(int)
    columns = [table["split"]] if (cycles == unknown).all() else [table["split"], cycles]
    counts = pd.crosstab(table["label"].fillna("?"), columns, margins=True, margins_name="all")
    return counts.rename(columns={unknown: "?"})


def _look(look: str, count: LookCount) -> str:
    most = f", up to {count.marked:.1%} of one" if count.marked else ""
    return f"{look} ({count.scans}{most})"


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    if len(sizes) <= MOST_SIZES:
        return ", ".join(f"{width}x{height} ({count})" for (width, height), count in sizes.most_common()) or "none read"
    widths, heights = zip(*sizes, strict=True)
    return f"{len(sizes)} different, {min(widths)} to {max(widths)} wide, {min(heights)} to {max(heights)} high"
