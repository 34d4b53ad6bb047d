"""The same picture under two names: odd within a package, a leak or a contradiction otherwise."""

import pandas as pd

from csam_lightning.data.hashes import Hashes
from csam_lightning.data.manifest import Manifest
from csam_lightning.data.problems import Problem, Severity


def duplicate_problems(manifest: Manifest, picture_hashes: Hashes) -> list[Problem]:
    """Return scans that show the same picture as an earlier one.

    An error where the two have different labels, packages or splits: one of them is wrong, or the classifier would
    be validated or tested on a picture it was trained on. A warning otherwise, and where a scan has no label.

    Args:
        manifest: The scans.
        picture_hashes: Picture hash of each scan, in the manifest's order.
    """
    return [_problem(manifest, first, again) for again, first in picture_hashes.repeated()]


def _problem(manifest: Manifest, first: int, again: int) -> Problem:
    one, other = manifest.table.iloc[first], manifest.table.iloc[again]
    differing = [
        f"{column} {other[column]} instead of {one[column]}"
        for column in ("label", "package_id", "split")
        if not pd.isna(one[column]) and not pd.isna(other[column]) and one[column] != other[column]
    ]
    labelled = not pd.isna(one["label"]) and not pd.isna(other["label"])
    severity: Severity = "error" if differing and labelled else "warning"
    but = f" with {', '.join(differing)}" if differing else ""
    what = f"'{other['path']}' shows the same picture as '{one['path']}' ({manifest.where(first)}){but}"
    mend = "delete one of the two" if severity == "error" else "delete one of the two if that is no intention"
    return Problem(severity, manifest.where(again), what, mend, int(manifest.rows[again]))
