"""``python -m csam_lightning.app``: look at scans, their verdicts and why, in a browser."""

from omegaconf import DictConfig

from csam_lightning.cli import run
from csam_lightning.machine.imports import loading


def serve(config: DictConfig) -> None:
    """Serve the inspection page until Ctrl-C."""
    with loading():  # takes seconds, which --help does without
        from csam_lightning.commands.app import serve_app

    serve_app(config)


if __name__ == "__main__":
    run(serve, "app")
