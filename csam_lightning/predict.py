"""``python -m csam_lightning.predict``: judge new scans."""

from omegaconf import DictConfig

from csam_lightning.cli import run
from csam_lightning.machine.imports import loading


def predict(config: DictConfig) -> None:
    """Judge the scans that the configuration names, and write the verdicts."""
    with loading():  # takes seconds, which --help does without
        from csam_lightning.commands.predict import predict_scans

    predict_scans(config)


if __name__ == "__main__":
    run(predict, "predict")
