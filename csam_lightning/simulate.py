"""``python -m csam_lightning.simulate``: write a simulated data set where the user asks."""

import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from csam_lightning.cli import run, typed
from csam_lightning.machine.imports import loading
from csam_lightning.simulation.config import SimulationConfig


@dataclass(frozen=True)
class SimulateConfig:
    """``conf/simulate.yaml``: what to simulate, and where to write it."""

    output: str
    processes: int | None
    simulation: SimulationConfig


def main(config: DictConfig) -> None:
    """Write the data set and print its folder on stdout.

    Raises:
        InputError: The settings make no sense, or the folder is in use.
    """
    with loading():
        from csam_lightning.simulation.dataset import write_dataset

    settings = typed(config, SimulateConfig)
    root = Path(settings.output).expanduser()
    write_dataset(settings.simulation, root, processes=settings.processes)
    sys.stdout.write(f"{root}\n")


if __name__ == "__main__":
    run(main, "simulate")
