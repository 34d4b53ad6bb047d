"""The inspector: from delaminated shares to a class."""

import numpy as np

from csam_lightning.simulation.config import Observer

CLASSES = ("A", "B", "C", "D")


def class_of(die_pad_share: float, bond_pad_share: float, threshold: float) -> str:
    """Return A (die pad), B (bond pads), C (both) or D (none): a region counts above ``threshold`` of its area."""
    die_pad, bond_pad = die_pad_share > threshold, bond_pad_share > threshold
    if die_pad and bond_pad:
        return "C"
    if die_pad:
        return "A"
    return "B" if bond_pad else "D"


def judged(share: float, observer: Observer, rng: np.random.Generator) -> float:
    """Return the share as an inspector judges it: off by a relative normal error that is bounded."""
    error = float(np.clip(observer.error * rng.standard_normal(), -observer.error_limit, observer.error_limit))
    return share * (1 + error)
