"""``python -m csam_lightning.check``: validate images and manifest, and tell what the data set holds."""

from omegaconf import DictConfig

from csam_lightning.cli import run
from csam_lightning.machine.imports import loading


def check(config: DictConfig) -> None:
    """Print all findings and what the data set holds, on stdout."""
    with loading():  # takes a second, which --help does without
        from csam_lightning.commands.check import check_dataset

    check_dataset(config)


if __name__ == "__main__":
    run(check, "check")
