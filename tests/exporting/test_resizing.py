import numpy as np
import pytest
import torch
from PIL import Image, features

from csam_lightning.exporting.resizing import resized


@pytest.mark.parametrize("side", [17, 50])
@pytest.mark.parametrize(
    ("height", "width"), [(50, 50), (17, 300), (8, 9), (400, 400), (333, 90), (51, 49), (300, 17), (9, 60), (123, 124)]
)
def test_grey_values_are_those_of_pillow(height: int, width: int, side: int) -> None:
    pixels = np.random.default_rng(height + width).integers(0, 256, (2, height, width), dtype=np.uint8)
    expected = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)) for image in pixels]
    ours = resized(torch.from_numpy(pixels), side).numpy()
    columns_first = height > side and height - side > 2 * (width - side)
    if columns_first and int(str(features.version("pil")).partition(".")[0]) < 13:  # these begin with the rows
        assert np.abs(ours.astype(int) - np.stack(expected)).max() <= 1
    else:
        assert np.array_equal(ours, np.stack(expected))
