import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from csam_lightning.errors import InputError
from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.model.ensemble import Ensemble, ModelFacts
from csam_lightning.model.ensemble_file import KEY, read_ensemble, write_ensemble
from csam_lightning.model.held_out import HeldOut
from csam_lightning.model.novelty import NoveltyStatistics, features_noted

FACTS = ModelFacts(
    classes=("A", "B", "C"),
    image_size=32,
    arch="resnet18",
    temperature=2.0,
    data_fingerprint="f0",
    cell_id="c0",
    folds=(0, 3),
    sample_bits=12,
    bias=(0.75, -0.25, -0.5),
    prevalence=(0.5, 0.25, 0.25),
    protocol="grouped",
)


def network(seed: int) -> ScanClassifier:
    torch.manual_seed(seed)
    return ScanClassifier(
        arch="resnet18",
        weights=None,
        num_classes=3,
        pixel_mean=100.0 + seed,
        pixel_std=50.0,
        learning_rate=1e-3,
        weight_decay=0.01,
        warmup_epochs=1,
    )


def scans(number: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(number).integers(0, 255, (number, 1, 32, 32), dtype=np.uint8))


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    """Two networks with all that a model can know; they must not be changed."""
    networks = [network(0), network(1)]
    features = []
    for part in networks:
        with features_noted(part.network) as noted, torch.inference_mode():
            part.eval()(scans(40))
        features.append(noted[0].numpy())
    logs = np.log(np.random.default_rng(0).dirichlet([1, 1, 1], 6))
    held_out = HeldOut(logs, np.arange(6) % 3, np.arange(6) % 2, np.arange(6) // 2)
    novelty = [NoveltyStatistics.fit(part[:30], part[30:]) for part in features]
    return Ensemble(networks, FACTS, held_out=held_out, novelty=[part for part in novelty if part is not None])


@pytest.fixture
def file(ensemble: Ensemble, tmp_path: Path) -> Path:
    write_ensemble(ensemble, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_probabilities_are_the_mean_of_the_networks_own_as_calibrated(ensemble: Ensemble) -> None:
    assert not any(module.training for module in ensemble.modules())
    images = scans(5)
    with torch.inference_mode():
        logits = np.stack([part(images).double().numpy() for part in ensemble.networks])
    odds = np.exp(logits / 2.0 + np.array(FACTS.bias))
    expected = (odds / odds.sum(axis=2, keepdims=True)).mean(axis=0)
    with torch.inference_mode():
        probabilities = ensemble(images)
    assert probabilities.dtype == torch.float32
    np.testing.assert_allclose(probabilities.numpy(), expected, atol=1e-6)
    judged = ensemble.judge(images)
    torch.testing.assert_close(judged.probabilities.mean(dim=0), probabilities)
    assert judged.distances is not None
    assert judged.distances.shape == (2, 5)


def test_distances_are_mahalanobis_of_the_features_by_numpy(ensemble: Ensemble) -> None:
    assert ensemble.novelty is not None
    judged = ensemble.judge(scans(40)[30:])
    assert judged.distances is not None
    for number, statistics in enumerate(ensemble.novelty):
        np.testing.assert_allclose(judged.distances[number].numpy(), statistics.held_out, rtol=1e-3)


def test_noting_features_changes_no_bit_and_gives_the_stages_means_at_length_one() -> None:
    part, images = network(0).eval(), scans(3)
    with torch.inference_mode():
        plain = part(images)
        with features_noted(part.network) as noted:
            watched = part(images)
        after = part(images)
        stages = [getattr(part.network, name) for name in ("bn1", "relu", "maxpool", "layer1", "layer2", "layer3")]
        third = nn.Sequential(part.network.get_submodule("conv1"), *stages)((images.float() - 100) / 50).mean(
            dim=(2, 3)
        )
    assert torch.equal(plain, watched)
    assert torch.equal(plain, after)
    assert [tuple(values.shape) for values in noted] == [(3, 256 + 512)]
    torch.testing.assert_close(noted[0][:, :256], third / third.norm(dim=1, keepdim=True))
    torch.testing.assert_close(noted[0][:, 256:].norm(dim=1), torch.ones(3))


def test_features_of_every_so_many_images_are_noted_whatever_the_batches() -> None:
    part, images = network(0).eval(), scans(11)
    with torch.inference_mode():
        with features_noted(part.network) as all_of_them:
            part(images)
        with features_noted(part.network, every=4) as some:
            for batch in torch.split(images, [2, 1, 5, 3]):
                part(batch)
    torch.testing.assert_close(torch.cat(some), all_of_them[0][::4])


def test_file_gives_the_model_back_bit_for_bit_and_leaves_the_random_numbers_alone(
    ensemble: Ensemble, file: Path
) -> None:
    state = torch.get_rng_state()
    read = read_ensemble(file)
    assert torch.equal(torch.get_rng_state(), state)
    assert read.facts == FACTS
    assert [part.hparams["pixel_mean"] for part in read.networks] == [100.0, 101.0]  # type: ignore[index]
    images = scans(4)
    for ours, theirs in zip(ensemble.judge(images), read.judge(images), strict=True):
        assert ours is not None
        assert theirs is not None
        assert torch.equal(ours, theirs)
    for kind in ("held_out", "novelty"):
        for before, after in zip(
            np.atleast_1d(getattr(ensemble, kind)), np.atleast_1d(getattr(read, kind)), strict=True
        ):
            for name, values in vars(before).items():
                assert np.array_equal(values, vars(after)[name])
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_single_network_of_an_older_version_is_a_model_too(tmp_path: Path) -> None:
    file = tmp_path / "one.safetensors"
    write_ensemble(Ensemble([network(0)], replace(FACTS, folds=(2,), sample_bits=None, temperature=1.0)), file)

    def forget(description: dict[str, Any], _tensors: dict[str, torch.Tensor]) -> None:
        for name in ("bias", "prevalence", "protocol", "sound"):
            del description["facts"][name]

    rewritten(file, forget)
    read = read_ensemble(file)
    assert (read.facts.bias, read.facts.prevalence, read.facts.protocol) == ((0, 0, 0), None, None)
    assert (read.held_out, read.novelty, read.facts.folds, read.facts.sound) == (None, None, (2,), 0.5)
    judged = read.judge(scans(2))
    assert judged.probabilities.shape == (1, 2, 3)
    assert judged.distances is None


def rewritten(file: Path, change: Callable[[dict[str, object], dict[str, torch.Tensor]], None]) -> None:
    with safe_open(file, framework="pt") as opened:
        described = json.loads(opened.metadata()[KEY])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    change(described, tensors)
    save_file(tensors, file, metadata={KEY: json.dumps(described)})


def test_what_is_no_model_is_refused_in_one_line(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()

    def refused(content: bytes | None, what: str) -> None:
        broken = tmp_path / "broken.safetensors"
        if content is not None:
            broken.write_bytes(content)
        with pytest.raises(InputError, match=what) as error:
            read_ensemble(broken)
        assert str(error.value).startswith(f"model {broken}: ")
        assert "\n" not in str(error.value)

    refused(None, "no such file; name a file that export or register wrote")
    refused(b"", "is no model of this program; export the model anew")
    refused(whole[: len(whole) // 2], "is no model of this program")
    refused(b"\x80\x04\x95 a pickle", "is no model of this program")
    flipped = bytearray(whole)
    flipped[-1000] ^= 1
    refused(bytes(flipped), "is damaged: its checksum differs")
    for changed, what in (
        ({"format": "csam_lightning model 9"}, "is a model of another version"),
        ({"facts": {"classes": ["A"]}}, "does not describe a model"),
        ({"networks": []}, "does not describe a model"),
        ({"networks": 7}, "does not describe a model"),
    ):
        file.write_bytes(whole)
        rewritten(file, lambda described, _, changed=changed: described.update(changed))  # type: ignore[misc]
        refused(file.read_bytes(), what)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ("A", "A")},
        {"image_size": 0},
        {"image_size": 10**9},
        {"temperature": 0.0},
        {"folds": ()},
        {"sound": 1.0},
        {"sound": -0.1},
        {"bias": (0.0, 0.0)},
        {"bias": (0.0, 0.0, float("nan"))},
        {"prevalence": (0.5, 0.5)},
        {"prevalence": (0.0, 0.5, 0.5)},
        {"prevalence": (0.5, 0.5, 0.5)},
    ],
)
def test_facts_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a model cannot have"):
        replace(FACTS, **change)  # type: ignore[arg-type]
