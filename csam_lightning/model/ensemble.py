"""The model of a cell: the networks of its folds, asked together."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

from csam_lightning.data.colour_rule import BY_LUMA, ColourRule, PaletteChoice
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.model.novelty import NoveltyStatistics, features_noted

if TYPE_CHECKING:
    from csam_lightning.model.held_out import HeldOut

LARGEST_SIDE = 10_000
"""Pixels; a scan of that size already takes 100 MB, and its activations many times that."""
ROUNDING = 1e-6
"""By which shares may miss a sum of 1."""
PUBLISHED = "published"
"""The protocol whose validation scans share packages with training."""


@dataclass(frozen=True)
class ModelFacts:
    """What is to be known of a model besides its numbers.

    Attributes:
        classes: Class names in the order of the probabilities.
        image_size: Height and width of the scans that it was trained on, pixels.
        arch: The networks' architecture.
        temperature: What logits are divided by; 1 where it was not fitted.
        data_fingerprint: What the data set held that it was trained on, hexadecimal.
        cell_id: The cell that it came from.
        folds: Number of the fold that each network came from.
        sample_bits: Range of the samples of that data set's 16-bit files, bits; None where there were none. Further
            scans are to be mapped alike, see :func:`csam_lightning.data.images.read_grey`.
        bias: What is added to the logit of each class after the division; zeros where it was not fitted.
        prevalence: The class mix that ``bias`` is meant for, shares of sum 1; None where it was not fitted.
        protocol: How the cell was split, ``grouped`` or ``published``; None where that is unknown.
        sound: Probability that class D of the four delamination classes must exceed; other classes ignore it.
        overlay: What became of marks on those scans, see :class:`csam_lightning.data.colour_rule.ColourRule`.
        palette: What became of false colour; by default both as older versions had it.
    """

    classes: tuple[str, ...]
    image_size: int
    arch: str
    temperature: float
    data_fingerprint: str
    cell_id: str
    folds: tuple[int, ...]
    sample_bits: int | None
    bias: tuple[float, ...] = ()
    prevalence: tuple[float, ...] | None = None
    protocol: str | None = None
    sound: float = 0.5
    overlay: str = BY_LUMA.overlay.value
    palette: PaletteChoice = BY_LUMA.palette

    def __post_init__(self) -> None:
        """Fill in a bias that is unknown; refuse facts that no model has, as a damaged or hostile file may state.

        Raises:
            ValueError: No model has them.
            InputError: The palette makes none.
        """
        ColourRule.of(self.overlay, self.palette)
        object.__setattr__(self, "bias", self.bias or (0.0,) * len(self.classes))
        shares = self.prevalence or (1 / len(self.classes),) * len(self.classes)
        sound = (
            len(set(self.classes)) == len(self.classes) >= 2,  # noqa: PLR2004 - fewer leave nothing to tell apart
            1 <= self.image_size <= LARGEST_SIDE,
            0 < self.temperature < inf,
            len(self.bias) == len(shares) == len(self.classes),
            all(-inf < bias < inf for bias in self.bias),
            all(share > 0 for share in shares) and abs(sum(shares) - 1) < ROUNDING,
            0 <= self.sound < 1,
            self.folds,
        )
        if not all(sound):
            raise ValueError(f"a model cannot have {self}")

    @property
    def colours(self) -> ColourRule:
        """How colours of further scans become grey."""
        return ColourRule.of(self.overlay, self.palette)


class Judgement(NamedTuple):
    """What each network of a model says of scans.

    Attributes:
        probabilities: float32 of shape (networks, scans, classes).
        distances: How far the scans are from those that the network learned from, see
            :mod:`csam_lightning.model.novelty`, float32 of shape (networks, scans); None where that is unknown.
    """

    probabilities: Tensor
    distances: Tensor | None


class Ensemble(nn.Module):
    """The networks of a cell's folds, or a single one of them, in evaluation mode.

    Args:
        networks: The networks.
        facts: What is known of them.
        held_out: What they said of scans that they did not learn from; None where that was not kept.
        novelty: Of each network, what its features of scans are like; None where that was not kept.
    """

    def __init__(
        self,
        networks: Sequence[ScanClassifier],
        facts: ModelFacts,
        *,
        held_out: "HeldOut | None" = None,
        novelty: Sequence[NoveltyStatistics] | None = None,
    ) -> None:
        """Take the networks over and put them into evaluation mode."""
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.facts = facts
        self.held_out = held_out
        self.novelty = novelty
        self.register_buffer("bias", torch.tensor(facts.bias, dtype=torch.float32))
        for number, statistics in enumerate(novelty or ()):
            self.register_buffer(f"feature_mean_{number}", torch.from_numpy(statistics.mean))
            self.register_buffer(f"feature_whitening_{number}", torch.from_numpy(statistics.whitening))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean of the networks' probabilities, float32 of shape (scans, classes).

        Args:
            images: Grey values, uint8 of shape (scans, 1, image size, image size).
        """
        return self.by_network(images).mean(dim=0)

    def by_network(self, images: Tensor) -> Tensor:
        """Return each network's probabilities, float32 of shape (networks, scans, classes), of ``images`` as above."""
        return torch.stack([self._probabilities(network(images)) for network in self.networks])

    @torch.inference_mode()
    def judge(self, images: Tensor) -> Judgement:
        """Return all that the networks say of ``images``, as above, each having looked at them once."""
        return self.judgement(images)

    def judgement(self, images: Tensor) -> Judgement:
        """Return what :meth:`judge` does, in operations that can be traced."""
        if self.novelty is None:
            return Judgement(self.by_network(images), None)
        probabilities, distances = [], []
        for number, network in enumerate(self.networks):
            with features_noted(cast("ScanClassifier", network).network) as noted:
                probabilities.append(self._probabilities(network(images)))
            mean = self.get_buffer(f"feature_mean_{number}")
            whitening = self.get_buffer(f"feature_whitening_{number}")
            distances.append(torch.linalg.vector_norm((noted[0] - mean) @ whitening, dim=1))
        return Judgement(torch.stack(probabilities), torch.stack(distances))

    def _probabilities(self, logits: Tensor) -> Tensor:
        return (logits.float() / self.facts.temperature + self.get_buffer("bias")).softmax(dim=1)
