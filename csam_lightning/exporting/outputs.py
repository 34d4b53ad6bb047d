"""What a deployed model takes and returns."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

Outputs: TypeAlias = "dict[str, NDArray[np.float32]]"
"""As :class:`csam_lightning.exporting.deployed.DeployedModel` gives them."""
Predictor: TypeAlias = "Callable[[NDArray[np.uint8]], Outputs]"
"""Takes grey values of shape (scans, height, width)."""
