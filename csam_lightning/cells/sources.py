"""Where a cell's scans come from: one class for each kind of source, and the choice between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter

from csam_lightning.config import DataConfig
from csam_lightning.simulation.cached import cached_dataset
from csam_lightning.simulation.config import SimulationConfig


class DataSource(Protocol):
    """A source of scans with a manifest."""

    @property
    def name(self) -> str:
        """The data set's name in MLflow."""

    @property
    def address(self) -> str:
        """Where the scans come from, as MLflow records it."""

    @property
    def description(self) -> str:
        """Where the scans come from, as Markdown for a model card."""

    @property
    def caution(self) -> str | None:
        """What every user of a model from these scans must know, one sentence; None: nothing."""

    def root(self) -> Path:
        """Return the folder that holds the scans and their manifest; it is made on first use where that is possible.

        Raises:
            InputError: The scans cannot be made.
        """


@dataclass(frozen=True)
class FolderSource:
    """A folder of scans.

    Attributes:
        folder: The folder; relative to the working folder, or in the home folder (``~``).
    """

    folder: Path
    caution: str | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return Path(self.address).name

    @property
    def address(self) -> str:
        """The folder's full path."""
        return str(self.folder.expanduser().absolute())

    @property
    def description(self) -> str:
        """The folder's full path, as code."""
        return f"`{self.address}`"

    def root(self) -> Path:
        """Return the folder."""
        return self.folder.expanduser()


@dataclass(frozen=True)
class SimulatedSource:
    """Simulated scans, made on first use and cached.

    Attributes:
        config: What to simulate; settings as recorded are checked when the scans are asked for.
        cache_dir: Folder of the cache; may lie in the home folder (``~``).
    """

    config: SimulationConfig | Mapping[str, Any]
    cache_dir: Path
    name: str = "simulated"
    address: str = "csam_lightning.simulate"
    description: str = "simulated by csam_lightning"
    caution: str | None = "Trained on simulated scans: it shows how this program works, and is not for real parts."

    def root(self) -> Path:
        """Return the data set's folder in the cache.

        Raises:
            InputError: As :func:`csam_lightning.simulation.cached.cached_dataset`.
            ValueError: The recorded settings are those of another version.
        """
        config = TypeAdapter(SimulationConfig).validate_python(self.config)
        return cached_dataset(config, self.cache_dir.expanduser())


def source_of(data: DataConfig, cache_dir: str) -> DataSource:
    """Return the source that the settings name.

    Args:
        data: The settings of the data.
        cache_dir: The setting ``cache_dir``.
    """
    if data.simulation is not None:
        return SimulatedSource(data.simulation, Path(cache_dir))
    return FolderSource(Path(str(data.root)))


def recorded_source(settings: Mapping[str, Any], address: str) -> DataSource:
    """Return the source that a run recorded.

    Args:
        settings: The run's ``config.yaml``.
        address: The source's recorded address.

    Raises:
        LookupError, TypeError, AttributeError: The settings are not those of a cell.
    """
    simulation = settings["data"].get("simulation")
    if simulation:
        return SimulatedSource(simulation, Path(str(settings["cache_dir"])))
    return FolderSource(Path(address))
