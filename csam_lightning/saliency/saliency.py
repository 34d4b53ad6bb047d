"""Which places of a scan speak for a class: class activation maps of an ensemble, by the library grad-cam."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.model.classifier import ScanClassifier

Target: TypeAlias = Callable[[Tensor], Tensor]

STRIDES = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
"""Pixels of the scan from one cell of a stage's activations to the next, in every ResNet."""


class Method(NamedTuple):
    """How a map is made.

    Attributes:
        cam: Name of a class of the library, for example ``GradCAM``.
        layer: Stage of the ResNet whose activations are weighed, one of ``STRIDES``.
    """

    cam: str
    layer: str


DEFAULT = Method("HiResCAM", "layer1")
"""Chosen by measurement, in experiments/explanations: of six methods on four stages it found the delaminated places of
simulated scans best, if asked against class D. Grad-CAM on the last stage never pointed at a delaminated bond pad: one
of its cells is 32 pixels wide."""


def explain(
    networks: "Sequence[ScanClassifier]",
    scans: "NDArray[np.uint8]",
    codes: "NDArray[np.int64]",
    *,
    against: "NDArray[np.int64] | None" = None,
    method: Method = DEFAULT,
    batch_size: int = 64,
) -> "NDArray[np.float32]":
    """Return for each scan how strongly each place speaks for a class, averaged over the networks.

    "Why A rather than D?" is the better question where a class means that nothing was found: the network gives much of
    what it sees to several classes alike, and a map of one class's logit shows that too. So set ``against`` then.

    A network's map is 0 at its least and 1 at its greatest value, or 0 everywhere where nothing speaks for the class.
    The mean over networks is not stretched again: its greatest value tells how far they agree about the place.

    Networks are worked on as copies, one at a time, so that theirs are no hooks, gradients or changes of mode, and
    several threads may explain with the same ones.

    Args:
        networks: At least one.
        scans: uint8 of shape (scans, side, side), resized as for the networks' training.
        codes: Class number that each scan's map speaks for, shape (scans,).
        against: Class number that it speaks against, shape (scans,); None for none.
        method: How to make the maps.
        batch_size: Scans that one network works on at a time; bounds the memory besides the result's.

    Returns:
        float32 of shape (scans, side, side), 0 to 1.
    """
    targets = [_target(*pair) for pair in zip(codes, codes if against is None else against, strict=True)]
    total = np.zeros(scans.shape, np.float32)
    with torch.inference_mode(mode=False), torch.enable_grad():
        for network in networks:
            for part, maps in _maps(copy.deepcopy(network), scans, targets, method, batch_size):
                total[part] += maps
    return total / np.float32(len(networks))


def _maps(
    network: "ScanClassifier",
    scans: "NDArray[np.uint8]",
    targets: Sequence[Target],
    method: Method,
    batch_size: int,
) -> "Iterator[tuple[slice, NDArray[np.float32]]]":
    import pytorch_grad_cam

    network.requires_grad_(requires_grad=False)  # gradients of activations are wanted, of weights not
    stage = network.network.get_submodule(method.layer)
    cam = getattr(pytorch_grad_cam, method.cam)(model=network, target_layers=[stage])
    cam.get_target_width_height = lambda _: None  # the library would stretch the map, see _placed
    for start in range(0, len(scans), batch_size):
        part = slice(start, start + batch_size)
        images = torch.from_numpy(scans[part, None]).float().requires_grad_()
        maps = cam(images, targets[part])
        yield part, _placed(maps, STRIDES[method.layer], scans.shape[-1])


def _target(code: int, against: int) -> Target:
    return lambda logits: logits[code] if code == against else logits[code] - logits[against]


def _placed(maps: Any, stride: int, side: int) -> "NDArray[np.float32]":
    """Return maps in the scan's pixels, (scans, side, side), interpolated between cells.

    Every layer's padding is half its kernel, so that cell i looks at pixel i · stride, whatever the scan's side. To
    stretch the map over the scan instead would move what is near the edges inwards, by up to half a stride.
    """
    cells = torch.as_tensor(maps)[:, None]
    reach = (cells.shape[-1] - 1) * stride + 1
    grown = functional.interpolate(cells, size=(reach, reach), mode="bilinear", align_corners=True)
    rest = side - reach
    return functional.pad(grown, (0, rest, 0, rest), mode="replicate")[:, 0].numpy()
