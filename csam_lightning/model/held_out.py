"""Probabilities of scans by networks that did not learn from them; free of torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class HeldOut:
    """Scans of known class, each judged by the one network that did not learn from it.

    Attributes:
        log_probabilities: Logarithms of that network's probabilities at temperature 1, float64 of shape (scans,
            classes).
        codes: Actual class numbers, int64 of shape (scans,).
        networks: Place of that network in the model, int64 of shape (scans,).
        packages: Number of each scan's package, int64 of shape (scans,); None where packages are unknown.
    """

    log_probabilities: "NDArray[np.float64]"
    codes: "NDArray[np.int64]"
    networks: "NDArray[np.int64]"
    packages: "NDArray[np.int64] | None" = None
