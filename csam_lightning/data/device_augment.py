"""Rotation and contrast of many images at once, on the device that holds them."""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample


@torch.no_grad()
def rotate_and_contrast(images: Tensor, degrees: Tensor, factors: Tensor) -> Tensor:
    """Change images as :class:`csam_lightning.data.augment.Augmentation` does that draws the same angles and factors.

    Turned about their centre, linearly interpolated, mirrored at the outermost pixels' centres, rounded; then
    multiplied, clipped and cut to whole numbers. OpenCV, which that class calls, interpolates in other steps: of OpenCV
    5.0 a few grey values in a thousand differ by 1, a few in a hundred thousand by 2, none by more.

    Args:
        images: uint8 of shape (n, 1, side, side).
        degrees: Angles, counter-clockwise, float32 of shape (n,).
        factors: Factors of the grey values, float32 of shape (n,).

    Returns:
        uint8 of shape (n, 1, side, side).
    """
    radians = torch.deg2rad(degrees).view(-1, 1, 1)
    cos, sin = radians.cos(), radians.sin()
    axis = torch.linspace(-1, 1, images.shape[-1], device=images.device)
    x, y = axis.view(1, 1, -1), axis.view(1, -1, 1)
    source = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)  # no matrix product: those may be rounded hard
    turned = grid_sample(images.float(), source, mode="bilinear", padding_mode="reflection", align_corners=True)
    return turned.round_().mul_(factors.view(-1, 1, 1, 1)).clamp_(0, 255).to(torch.uint8)
