"""``python -m csam_lightning.train``: cross-validate one cell, or many with ``-m``."""

from omegaconf import DictConfig

from csam_lightning.cli import run
from csam_lightning.machine.imports import loading
from csam_lightning.sweeps.closing import sweep_closed


def train(composed: DictConfig) -> None:
    """Run the cell that ``composed`` describes, by itself or as a job of a sweep."""
    with loading():  # takes a second, which --help does without
        from csam_lightning.commands.train import train_cell

    train_cell(composed)


if __name__ == "__main__":
    run(train, "train", around=sweep_closed(), resumes=True)
