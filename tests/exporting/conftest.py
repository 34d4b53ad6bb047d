from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from csam_lightning.exporting.onnx_file import write_onnx
from csam_lightning.exporting.pt2_file import write_pt2
from csam_lightning.model.ensemble import Ensemble
from tests.model.test_ensemble import ensemble

__all__ = ["ensemble"]  # a fixture

SHAPES = ((32, 32), (32, 32), (32, 32), (70, 45), (9, 150), (150, 20))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a machine with more to do than cores take minutes for these tiny models."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def exported(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model as model.onnx and model.pt2; to write them takes seconds."""
    folder = tmp_path_factory.mktemp("exported")
    write_onnx(ensemble, folder / "model.onnx")
    write_pt2(ensemble, folder / "model.pt2")
    return folder


@pytest.fixture
def scans(tmp_path: Path) -> list[Path]:
    """Scans of several sizes, one of them 16-bit: 12-bit samples."""
    files = [tmp_path / f"scan{number}.png" for number in range(len(SHAPES))]
    for number, (file, shape) in enumerate(zip(files, SHAPES, strict=True)):
        pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    files.append(tmp_path / "deep.tif")
    Image.fromarray(np.random.default_rng(9).integers(0, 3000, (40, 40), dtype=np.uint16)).save(files[-1])
    return files
