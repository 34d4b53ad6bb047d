"""Random rotation and contrast, the published protocol's two augmentations. Only this file knows albumentations."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would look up its own version online at import

import albumentations as A
import cv2

if TYPE_CHECKING:
    from numpy.typing import NDArray

cv2.setNumThreads(0)  # threads belong to the network; an image of 100 px gains nothing from them


class Augmentation:
    """Rotation by a random angle, then multiplication of all grey values by a random factor.

    Args:
        rotation_degrees: Angles are drawn uniformly from ± this many degrees; the border is mirrored. 0: none.
        contrast: Factors are drawn uniformly from 1 ± this. 0: none.
    """

    def __init__(self, *, rotation_degrees: float, contrast: float) -> None:
        """Build the pipeline."""
        self.rotation_degrees = rotation_degrees
        self.contrast = contrast
        self._steps: list[A.BasicTransform] = []
        if rotation_degrees:
            self._steps.append(
                A.Rotate(
                    limit=(-rotation_degrees, rotation_degrees),
                    interpolation=cv2.INTER_LINEAR,
                    border_mode=cv2.BORDER_REFLECT_101,
                    p=1.0,
                )
            )
        if contrast:
            self._steps.append(
                A.RandomBrightnessContrast(brightness_limit=(0, 0), contrast_limit=(-contrast, contrast), p=1.0)
            )

    def __call__(self, image: "NDArray[np.uint8]", *, seed: int) -> "NDArray[np.uint8]":
        """Return the change of ``image`` (H, W) that ``seed`` stands for, same shape.

        Each step has a seed of its own: albumentations' Compose gives all the same one, and then the factor rises with
        the angle.
        """
        seeds = np.random.SeedSequence(seed).generate_state(len(self._steps)).tolist()
        for step, own_seed in zip(self._steps, seeds, strict=True):
            step.set_random_seed(own_seed)
            image = step(image=image)["image"]
        return image


@dataclass(frozen=True)
class AugmentationPlan:
    """Says how an image looks in an epoch, from nothing but (seed, fold, epoch, scan, copy).

    Neither the order of reading nor the number of processes can change an image.

    Attributes:
        augmentation: The random change.
        when: ``epoch``: every training image is changed anew each epoch. ``once``: scans stay as scanned and each
            augmented copy is changed once and for all.
        seed: Seed of the cell.
        fold: The fold's number, or None where copies are the same in every fold (published protocol).
    """

    augmentation: Augmentation
    when: Literal["epoch", "once"]
    seed: int
    fold: int | None

    def image(self, scan_image: "NDArray[np.uint8]", *, scan: int, copy: int, epoch: int) -> "NDArray[np.uint8]":
        """Return the image that copy ``copy`` of row ``scan`` shows in ``epoch``, (H, W) like ``scan_image``."""
        if self.when == "once" and copy == 0:
            return scan_image
        fold = 0 if self.fold is None else self.fold + 1
        moment = epoch + 1 if self.when == "epoch" else 0
        entropy = np.random.SeedSequence((self.seed, fold, moment, scan, copy))
        return self.augmentation(scan_image, seed=int(entropy.generate_state(1)[0]))

    def draw(self, images: int, *, epoch: int) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
        """Draw the changes of an epoch's images at once, for :mod:`csam_lightning.data.device_augment`.

        The distribution is that of :meth:`image`, the draws are others: they depend on (seed, fold, epoch) and on an
        image's position.

        Returns:
            Angles in degrees and factors of the grey values, both of shape (images,).
        """
        rng = np.random.default_rng((self.seed, 0 if self.fold is None else self.fold + 1, epoch, 0xA06))
        shares = rng.uniform(-1, 1, (images, 2)).astype(np.float32)
        return self.augmentation.rotation_degrees * shares[:, 0], 1 + self.augmentation.contrast * shares[:, 1]
