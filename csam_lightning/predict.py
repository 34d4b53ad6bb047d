"""``python -m csam_lightning.predict``: judge new scans."""

from omegaconf import DictConfig

from csam_lightning.cli import run


def predict(config: DictConfig) -> None:
    """Judge the scans that the configuration names, and write the verdicts."""
    from csam_lightning.predict_scans import predict_scans  # takes seconds, which --help does without

    predict_scans(config)


if __name__ == "__main__":
    run(predict, "predict")
