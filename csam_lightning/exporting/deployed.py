"""A model with its preprocessing inside, fit to be turned into a graph."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from csam_lightning.data.images import MIN_SIDE
from csam_lightning.exporting.resizing import resized

if TYPE_CHECKING:
    from csam_lightning.model.ensemble import Ensemble

INPUT = "images"
OUTPUTS = ("probabilities", "network_probabilities", "distances")
"""The last one is there if the model knows how unlike scans are to those that it learned from."""

DYNAMIC = {
    INPUT: {
        0: torch.export.Dim("scans", min=1),
        1: torch.export.Dim("height", min=MIN_SIDE),
        2: torch.export.Dim("width", min=MIN_SIDE),
    }
}
"""Axes of the input that may have any length from these."""


class DeployedModel(nn.Module):
    """Grey scans of any size in, probabilities out.

    Args:
        ensemble: The model.
    """

    def __init__(self, ensemble: "Ensemble") -> None:
        """Take the model over, in the memory of the CPU."""
        super().__init__()
        self.ensemble = ensemble.cpu().eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs named in ``OUTPUTS``, float32.

        Args:
            images: Grey values, uint8 of shape (scans, height, width).

        Returns:
            ``probabilities``, the mean over the networks as calibrated, of shape (scans, classes);
            ``network_probabilities``, each network's own, of shape (scans, networks, classes); ``distances``, see
            :class:`csam_lightning.model.ensemble.Judgement`, of shape (scans, networks).
        """
        said = self.ensemble.judgement(resized(images, self.ensemble.facts.image_size)[:, None])
        outputs = {
            "probabilities": said.probabilities.mean(dim=0),
            "network_probabilities": said.probabilities.transpose(0, 1),
        }
        return outputs if said.distances is None else {**outputs, "distances": said.distances.T}


def example() -> Tensor:
    """Return an input for tracing, no two of whose lengths are equal."""
    return torch.zeros((2, MIN_SIDE + 3, MIN_SIDE + 5), dtype=torch.uint8)


def place_in_graph(name: str) -> str | None:
    """Return what a graph calls one of a model's tensors; None where no graph holds it.

    Args:
        name: As :func:`csam_lightning.model.ensemble_file.named_tensors` has it.
    """
    kind, _, rest = name.partition(".")
    number, _, tensor = rest.partition(".")
    if kind == "network" and not tensor.endswith("num_batches_tracked"):
        return f"ensemble.networks.{number}.{tensor}"
    if kind == "novelty" and tensor in {"mean", "whitening"}:
        return f"ensemble.feature_{tensor}_{number}"
    return None
