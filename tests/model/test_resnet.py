from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torchvision.models import WeightsEnum

from csam_lightning.errors import InputError
from csam_lightning.model.resnet import ARCHITECTURES, build_resnet, read_weights


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_network_maps_grey_images_to_logits_and_learns(arch: str) -> None:
    torch.manual_seed(0)
    network = build_resnet(arch, num_classes=3, weights=None)
    logits = network(torch.randn(2, 1, 32, 32))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_colour_weights_answer_a_grey_image_as_their_own_network_does(tmp_path: Path) -> None:
    colour = torchvision.models.resnet18(weights=None, num_classes=3).eval()
    torch.save(colour.state_dict(), tmp_path / "colour.pt")
    grey = build_resnet("resnet18", num_classes=3, weights=str(tmp_path / "colour.pt")).eval()
    image = torch.randn(2, 1, 40, 40)
    torch.testing.assert_close(grey(image), colour(image.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4)


def test_last_layer_of_another_shape_stays_random_and_the_rest_is_taken(tmp_path: Path) -> None:
    other = build_resnet("resnet18", num_classes=7, weights=None)
    torch.save({"state_dict": {f"network.{name}": value for name, value in other.state_dict().items()}}, tmp_path / "w")
    network = build_resnet("resnet18", num_classes=3, weights=str(tmp_path / "w"))
    assert torch.equal(network.get_parameter("layer4.0.conv1.weight"), other.get_parameter("layer4.0.conv1.weight"))
    assert network.get_parameter("fc.weight").shape == (3, 512)


def test_unknown_network_is_an_error() -> None:
    with pytest.raises(InputError, match=r"model.arch: unknown network 'vgg'; choose one of resnet18, resnet34"):
        build_resnet("vgg", num_classes=2, weights=None)


def test_weights_of_another_network_are_an_error(tmp_path: Path) -> None:
    torch.save(build_resnet("resnet18", num_classes=2, weights=None).state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w.pt lacks \d+ of the network's tensors.*weights of the same model.arch"):
        build_resnet("resnet34", num_classes=2, weights=str(tmp_path / "w.pt"))


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model.weights: no file .*none.pt; give null, imagenet or an existing file"):
        read_weights(tmp_path / "none.pt")


class Harmful:
    """Would run code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("harm done",))


@pytest.mark.parametrize("content", ["pickle", "text", "empty"])
def test_file_that_is_no_weights_is_an_error_and_runs_nothing(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "w.pt"
    if content == "pickle":
        torch.save({"state_dict": Harmful()}, file)
    else:
        file.write_text("no weights" if content == "text" else "")
    with pytest.raises(InputError, match=r"is no weights file that can be read safely; give a file written by"):
        read_weights(file)
    assert "harm done" not in capsys.readouterr().out


def test_file_without_a_state_dict_is_an_error(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"holds no state dict; save network.state_dict\(\) in it"):
        read_weights(tmp_path / "w.pt")


def test_imagenet_weights_without_a_network_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(WeightsEnum, "get_state_dict", no_network)
    with pytest.raises(
        InputError, match=r"could not be downloaded.*no route to host.*place the file of https://.*at /"
    ):
        build_resnet("resnet18", num_classes=2, weights="imagenet")


def test_imagenet_weights_are_taken_from_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    published = torchvision.models.resnet18(weights=None)
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: published.state_dict())
    network = build_resnet("resnet18", num_classes=4, weights="imagenet")
    expected = published.conv1.weight.sum(dim=1, keepdim=True)
    assert torch.equal(network.get_parameter("conv1.weight"), expected)
