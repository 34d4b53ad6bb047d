"""Means over images, exact however the images are spread over batches and devices."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ImageMean(Metric):
    """Mean over the images of all batches, on all devices.

    Lightning's own mean cuts the number of images per device to a whole number, and torchmetrics' 1.9 forgets its
    weights where it does not look for NaN.
    """

    total: Tensor
    images: Tensor

    def __init__(self) -> None:
        """Start with no images."""
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("images", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, mean: Tensor, images: int) -> None:
        """Add a batch: the mean over its images, a scalar, and their number."""
        self.total = self.total + mean.detach() * images
        self.images = self.images + images

    def compute(self) -> Tensor:
        """Return the mean, a scalar."""
        return self.total / self.images
