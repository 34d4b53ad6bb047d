from pathlib import Path

import numpy as np
import pytest
import torch

from csam_lightning.model.classifier import ScanClassifier
from csam_lightning.model.ensemble import Ensemble, ModelFacts
from csam_lightning.model.ensemble_file import write_ensemble
from csam_lightning.model.held_out import HeldOut
from csam_lightning.model.novelty import NoveltyStatistics, features_noted
from tests.conftest import CLASSES, tiny_table, write_scans

FACTS = ModelFacts(CLASSES, 32, "resnet18", 2.0, "f0" * 32, "c0", (0, 1), None)


def network(seed: int) -> ScanClassifier:
    torch.manual_seed(seed)
    settings = {"pixel_mean": 80.0, "pixel_std": 40.0, "learning_rate": 1e-3, "weight_decay": 0.0, "warmup_epochs": 1.0}
    return ScanClassifier(arch="resnet18", weights=None, num_classes=4, **settings).eval()


@pytest.fixture(scope="session")
def familiar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 scans that the model takes for familiar, with a manifest."""
    table = tiny_table(packages=40, read_outs=(0,), test_packages=0)
    return write_scans(tmp_path_factory.mktemp("familiar"), table)


@pytest.fixture(scope="session")
def ensemble(familiar: Path) -> Ensemble:
    """Two untrained networks that were compared with 400 scans of each class; it must not be changed."""
    images = [np.asarray(_open(file)) for file in sorted((familiar / "images").iterdir())]
    batch = torch.from_numpy(np.stack(images)[:, None])
    networks, novelty = [network(0), network(1)], []
    for part in networks:
        with features_noted(part.network) as noted, torch.inference_mode():
            part(batch)
        novelty.append(NoveltyStatistics.fit(noted[0].numpy(), noted[0].numpy()))
    rng = np.random.default_rng(0)
    held_out = HeldOut(np.log(rng.dirichlet(np.ones(4), 1600)), np.arange(1600) % 4, np.arange(1600) // 800)
    return Ensemble(networks, FACTS, held_out=held_out, novelty=[part for part in novelty if part is not None])


@pytest.fixture(scope="session")
def model_file(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    write_ensemble(ensemble, file)
    return file


def _open(file: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    from csam_lightning.data.images import read_grey

    return read_grey(file)
