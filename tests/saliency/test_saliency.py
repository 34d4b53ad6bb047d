import numpy as np
import pytest
import torch

from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.saliency.saliency import STRIDES, Method, explain

SIDE = 64


def classifier(seed: int) -> ScanClassifier:
    torch.manual_seed(seed)
    return ScanClassifier(
        arch="resnet18",
        weights=None,
        num_classes=4,
        pixel_mean=100.0,
        pixel_std=50.0,
        learning_rate=1e-3,
        weight_decay=0.0,
        warmup_epochs=0,
    )


@pytest.fixture
def scans() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)


def cells(network: ScanClassifier, scan: np.ndarray, code: int, against: int | None, method: Method) -> np.ndarray:
    """Selvaraju et al., ICCV 2017, eq. 1 and 2, and Draelos and Carin 2020, eq. 4, word for word; scaled to 0 … 1."""
    stages = dict(network.network.named_children())
    values = (torch.from_numpy(scan[None, None]).float() - network.pixel_mean) / network.pixel_std
    activations = values
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        values = stages[name](values)
        if name == method.layer:
            activations = values
    logits = stages["fc"](values.mean(dim=(2, 3)))[0]
    score = logits[code] if against is None else logits[code] - logits[against]
    (gradient,) = torch.autograd.grad(score, activations)
    weights = gradient.mean(dim=(2, 3), keepdim=True) if method.cam == "GradCAM" else gradient
    cam = (weights * activations).sum(dim=1)[0].relu()
    return ((cam - cam.min()) / (cam.max() - cam.min())).nan_to_num().detach().numpy()


@pytest.mark.parametrize(
    ("method", "against"), [(Method("HiResCAM", "layer1"), 3), (Method("GradCAM", "layer2"), None)]
)
def test_maps_are_the_published_formulas_averaged_over_the_networks(
    scans: np.ndarray, method: Method, against: int | None
) -> None:
    """Compared where the cells stand; a rounding error that turns a ReLU moves some of them by less than 0.005."""
    networks = [classifier(seed).eval() for seed in (0, 1)]
    codes = np.array([0, 1, 2])
    opposed = None if against is None else np.full(3, against)
    maps = explain(networks, scans, codes, against=opposed, method=method, batch_size=2)
    assert maps.dtype == np.float32
    assert maps.shape == scans.shape
    stride = STRIDES[method.layer]
    for one, scan, code in zip(maps, scans, codes, strict=True):
        expected = np.mean([cells(network, scan, code, against, method) for network in networks], axis=0)
        np.testing.assert_allclose(one[::stride, ::stride], expected, atol=5e-3)
        between = one[stride // 2 :: stride, ::stride][: len(expected) - 1]
        np.testing.assert_allclose(between, (expected[1:] + expected[:-1]) / 2, atol=5e-3)


def test_a_cell_stands_in_the_middle_of_what_it_looks_at() -> None:
    """With equal weights the pixels that move a cell's value lie evenly about the place where the map shows it."""
    network = classifier(0).eval().network
    network.maxpool = torch.nn.AvgPool2d(3, 2, 1)  # which looks at the same pixels, evenly
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    for layer, stride in STRIDES.items():
        side, cell = 16 * stride, 8  # wide enough for all that the cell looks at
        image = torch.ones(1, 1, side, side, requires_grad=True)
        values = image
        for name, stage in network.named_children():
            values = stage(values)
            if name == layer:
                break
        (gradient,) = torch.autograd.grad(values[0, :, cell, cell].sum(), image)
        weight = gradient[0, 0].sum(dim=1)
        assert float(weight @ torch.arange(side).float() / weight.sum()) == pytest.approx(cell * stride, abs=0.01)


def test_networks_stay_as_they_were(scans: np.ndarray) -> None:
    network = classifier(0).train()
    network.network.get_submodule("layer4").eval()
    modes = {name: module.training for name, module in network.named_modules()}
    state = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        explain([network], scans, np.zeros(3, np.int64))
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


def test_a_class_that_is_none_is_refused(scans: np.ndarray) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        explain([classifier(0)], scans, np.array([0, 1, 4]))


def test_a_network_that_gives_every_class_the_same_has_an_empty_map(scans: np.ndarray) -> None:
    network = classifier(0)
    torch.nn.init.zeros_(network.network.get_parameter("fc.weight"))
    assert not explain([network], scans, np.zeros(3, np.int64)).any()
