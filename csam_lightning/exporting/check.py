"""Lets an exported file appear only if it says of real scans what its model says of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from csam_lightning.data.images import read_grey
from csam_lightning.errors import RunFailedError
from csam_lightning.exporting.formats import Format, ensemble_predictor
from csam_lightning.exporting.outputs import Predictor
from csam_lightning.files import written_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.model.ensemble import Ensemble, ModelFacts

TOLERANCE = 1e-4
"""Of probabilities; of distances as a share of them."""
BATCH_PIXELS = 1 << 22
"""Of which 30 MB come when they are resized."""


def write_checked(ensemble: "Ensemble", form: Format, path: Path, scans: Sequence[Path]) -> float:
    """Write a model to a file, unless what the file says of scans differs from what the model says.

    Args:
        ensemble: The model.
        form: The file's format.
        path: The file.
        scans: Scans to compare on, one at least.

    Returns:
        The largest difference of a probability.

    Raises:
        RunFailedError: It differs by more than ``TOLERANCE``; there is no file then.
        InputError: A scan cannot be read, or what the format takes is not installed.
        OSError: The file cannot be written.
    """
    with written_atomically(path) as temporary:
        form.write(ensemble, temporary)
        found, expected = form.predictor(temporary), ensemble_predictor(ensemble)
        batches = _batches(scans, ensemble.facts)
        differences = np.max([_differences(found, expected, batch) for batch in batches], axis=0)
        if not differences.max() <= TOLERANCE:  # NaN is no agreement
            probability, distance = differences
            raise RunFailedError(
                f"{path} was not written: of {len(scans)} scans its probabilities differ from the model's by up to "
                f"{probability:.2g} and its distances by up to {distance:.2g} of them, more than {TOLERANCE:g}; "
                "write another format"
            )
    return float(differences[0])


def _batches(scans: Sequence[Path], facts: "ModelFacts") -> "Iterator[NDArray[np.uint8]]":
    """Yield the grey values of scans, those together that follow each other, are of equal size and not too many."""
    together: list[NDArray[np.uint8]] = []
    for image in (read_grey(scan, sample_bits=facts.sample_bits, colours=facts.colours) for scan in scans):
        if together and (image.shape != together[0].shape or (len(together) + 1) * image.size > BATCH_PIXELS):
            yield np.stack(together)
            together = []
        together.append(image)
    yield np.stack(together)


def _differences(found: Predictor, expected: Predictor, images: "NDArray[np.uint8]") -> tuple[float, float]:
    """Return by how much probabilities differ, and distances as a share of them; infinity without an output."""
    ours, theirs = expected(images), found(images)
    if ours.keys() != theirs.keys():
        return np.inf, np.inf
    gaps = {name: np.abs(theirs[name] - values) for name, values in ours.items()}
    shares = gaps.pop("distances", np.zeros(1)) / ours.get("distances", np.ones(1))
    return float(np.max([gap.max() for gap in gaps.values()])), float(shares.max())
