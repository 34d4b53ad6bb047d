"""``python -m csam_lightning.check``: validate images and manifest, and tell what the data set holds."""

from omegaconf import DictConfig

from csam_lightning.cli import run


def check(config: DictConfig) -> None:
    """Print all findings and what the data set holds, on stdout."""
    from csam_lightning.check_dataset import check_dataset  # takes a second, which --help does without

    check_dataset(config)


if __name__ == "__main__":
    run(check, "check")
