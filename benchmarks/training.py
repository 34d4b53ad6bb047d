"""``python -m benchmarks.training``: a fold of the product against a bare PyTorch loop, in turns, on one thread.

The bare loop has the same network, optimiser, precision and batches, its tensors already in memory, and does nothing
but steps: it is the limit. Ratios are taken round by round, so that a machine whose speed drifts does not matter.
"""

import argparse
import platform
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from csam_lightning.config import Arch, AugmentConfig, ModelConfig, Select, Strategy, TrainerConfig, When
from csam_lightning.data.folds import Fold, Images
from csam_lightning.model.resnet import build_resnet
from csam_lightning.progress import track
from csam_lightning.training.fold import train_fold
from csam_lightning.training.job import FoldFolder, FoldJob

CLASSES = 4


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=100, help="pixels of a side (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, help="images per step (default: %(default)s)")
    parser.add_argument("--images", type=int, default=160, help="training images per epoch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rates: dict[str, list[float]] = {"limit": [], "ours": []}
    for _ in track(range(options.rounds), description="rounds", total=options.rounds):
        rates["limit"].append(bare_loop(options.image_size, options.batch_size, options.images))
        rates["ours"].append(product(options.image_size, options.batch_size, options.images))
    show(rates, options)


def bare_loop(side: int, batch: int, images: int) -> float:
    """Return images per second of steps alone, after two steps to warm up."""
    network = build_resnet("resnet18", num_classes=CLASSES, weights=None)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    loss = nn.CrossEntropyLoss()
    inputs, codes = torch.randn(batch, 1, side, side), torch.arange(batch) % CLASSES
    steps = images // batch
    began = 0.0
    for step in range(steps + 2):
        if step == 2:  # noqa: PLR2004 - the warm-up is over
            began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss(network(inputs), codes).backward()
        optimizer.step()
    return steps * batch / (time.perf_counter() - began)


def product(side: int, batch: int, images: int) -> float:
    """Return images per second of a fold's second epoch: data, augmentation, metrics, validation and checkpoint."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        validation = images // 4
        pixels = np.random.default_rng(0).integers(0, 255, (images + validation, side, side), dtype=np.uint8)
        np.save(folder / "pixels.npy", pixels)
        rows = np.arange(len(pixels))
        training, held_out = rows[:images], rows[images:]
        job = FoldJob(
            fold=Fold(
                0, Images(training, np.zeros_like(training)), training, Images(held_out, np.zeros_like(held_out))
            ),
            folder=folder / "fold",
            pixels=folder / "pixels.npy",
            train_rows=rows,
            test_rows=rows[:0],
            codes=rows % CLASSES,
            num_classes=CLASSES,
            copies_frozen=False,
            batch_size=batch,
            seed=0,
            augment=AugmentConfig(rotation_degrees=180, contrast=0.2, when=When.epoch),
            model=ModelConfig(Arch.resnet18, None),
            trainer=TrainerConfig(2, 1e-3, 0.05, 1, Select.last, "cpu", 1, Strategy.auto, "32-true", 1, 1),
        )
        train_fold(job, lambda _: None)
        return images / FoldFolder(job.folder).read_history()[1]["seconds"]


def show(rates: dict[str, list[float]], options: argparse.Namespace) -> None:
    """Print images per second, their spread, and ours against the limit."""
    table = Table("", "images/s, median", "least to most", "of the limit, median of rounds")
    for name, values in rates.items():
        shares = [value / limit for value, limit in zip(values, rates["limit"], strict=True)]
        spread = f"{min(values):.1f} to {max(values):.1f}"
        table.add_row(name, f"{statistics.median(values):.1f}", spread, f"{statistics.median(shares):.2f}")
    on = Console()
    on.print(
        f"ResNet-18, {options.image_size} px, batch {options.batch_size}, {options.images} images an epoch, 1 thread, "
        f"torch {torch.__version__}, {platform.machine()}; ours includes input, augmentation, validation of a quarter "
        "as many scans, and the epoch's checkpoint",
        soft_wrap=True,
    )
    on.print(table)
    on.print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
