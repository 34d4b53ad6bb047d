"""How unlike the scans that a network learned from a scan looks to that network.

The features that a ResNet works out on the way to its logits are taken as one Gaussian over the training scans, and a
scan's distance is Mahalanobis' distance from their mean: Lee et al. 2018 (arXiv:1807.03888), who have a mean for each
class, with the features brought to length 1 as Mueller and Hein 2025 do (arXiv:2505.18032), and the covariance shrunk
as Ledoit and Wolf do, since there are about as many features as scans.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from csam_lightning.files import written_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

STAGES = ("layer3", "layer4")
"""Parts of a ResNet whose channels, averaged over the image and brought to length 1 part by part, are the features.

The last part alone takes noise and darkened scans for familiar, the first ones find packages of a new lot strange.
"""
LEAST_SPREAD = 1e-3
"""Of a feature that hardly varies, as a share of the largest spread: a distance in it would be mere rounding."""
RIDGE = 1e-6
"""Added to variances of about 1, so that features that depend on each other leave the covariance invertible."""


@contextmanager
def features_noted(network: nn.Module, *, every: int = 1) -> Iterator[list[Tensor]]:
    """Yield a list to which each call of ``network`` appends its features, float32 of shape (images, features).

    The calls themselves give the bits that they give without.

    Args:
        network: A ResNet.
        every: Of how many images one is noted, counted over all calls, from the first on.
    """
    noted: list[Tensor] = []
    stages: list[Tensor] = []
    passed = 0

    def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        stages.append(normalize(output.mean(dim=(2, 3)).float(), dim=1))

    def gather(_module: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        nonlocal passed
        together = torch.cat(stages, dim=1)
        stages.clear()
        if every == 1:  # a length that was asked for would be a constant of a graph that is being traced
            noted.append(together)
            return
        noted.append(together[-passed % every :: every].clone())
        passed += len(together)

    handles = [network.get_submodule(name).register_forward_hook(note) for name in STAGES]
    handles.append(network.register_forward_hook(gather))
    try:
        yield noted
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class NoveltyStatistics:
    """What a network's features of scans are like.

    Attributes:
        mean: Mean features of its training scans, float32 of shape (features,).
        whitening: A factor of the inverse covariance: features minus ``mean``, multiplied by it, are uncorrelated and
            have a variance of 1. float32 of shape (features, features).
        held_out: Distances of the scans that it validated on, float32 of shape (scans,).
    """

    mean: "NDArray[np.float32]"
    whitening: "NDArray[np.float32]"
    held_out: "NDArray[np.float32]"

    @classmethod
    def fit(cls, training: "NDArray[np.float32]", validation: "NDArray[np.float32]") -> Self | None:
        """Work out the statistics; None for a network whose training has run away to infinity.

        Args:
            training: Features of the training scans as scanned, shape (scans, features).
            validation: Features of the validation scans as scanned, shape (scans, features).
        """
        from sklearn.covariance import ledoit_wolf

        if not np.isfinite(training).all():
            return None
        spread = training.std(axis=0, dtype=np.float64)
        scale = np.maximum(spread, max(LEAST_SPREAD * spread.max(), np.finfo(np.float32).eps))
        covariance, _ = ledoit_wolf(training.astype(np.float64) / scale)
        covariance += RIDGE * np.eye(len(scale))
        root = np.linalg.cholesky(np.linalg.inv(covariance))
        mean = training.mean(axis=0, dtype=np.float64).astype(np.float32)
        whitening = (root / scale[:, None]).astype(np.float32)
        return cls(mean, whitening, np.linalg.norm((validation - mean) @ whitening, axis=1))

    def write(self, path: Path) -> None:
        """Write the arrays to one .npz file."""
        with written_atomically(path) as temporary:
            np.savez(temporary, mean=self.mean, whitening=self.whitening, held_out=self.held_out)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            ValueError, OSError, KeyError: It is no such file.
        """
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["mean"], arrays["whitening"], arrays["held_out"])
