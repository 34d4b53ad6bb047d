"""What the jobs of a sweep, wherever they run, and the process that launched them tell each other: files."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from csam_lightning.errors import InputError
from csam_lightning.state import read_json, read_state, write_json


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended.

    Attributes:
        number: The job's number.
        cell_id: Its cell; None where the settings were too bad to make one.
        name: The cell's name, or the job's overrides where there is none.
        folder: Where its results are.
        reason: Why it failed, in one line; None where it did not.
    """

    number: int
    cell_id: str | None
    name: str
    folder: str
    reason: str | None = None


@dataclass(frozen=True)
class SweepFolder:
    """A sweep's folder: ``sweep.json`` from the launching process, ``outcomes/`` from the jobs."""

    path: Path

    def write_grid(self, grid: Path) -> None:
        """Tell the jobs in which folder the state of the sweep's grid is kept."""
        write_json(self.path / "sweep.json", {"grid": str(grid.absolute())})

    def read_grid(self) -> Path:
        """Return what :meth:`write_grid` told.

        Raises:
            InputError: The file is damaged or gone.
        """
        file = self.path / "sweep.json"
        grid = read_state(file, lambda path: Path(read_json(path)["grid"]))
        if grid is None:
            raise InputError("is damaged or gone", where=str(file), mend="run the same command again")
        return grid

    def write(self, outcome: JobOutcome) -> None:
        """Tell how a job ended."""
        write_json(self.path / "outcomes" / f"{outcome.number}.json", asdict(outcome))

    def read(self) -> dict[int, JobOutcome]:
        """Return how the jobs that have ended did, by number; one whose file is damaged counts as silent."""
        files = (self.path / "outcomes").glob("[0-9]*.json")
        read = [read_state(file, _read_outcome) for file in files]
        outcomes = [outcome for outcome in read if outcome is not None]
        return {outcome.number: outcome for outcome in sorted(outcomes, key=lambda outcome: outcome.number)}


def _read_outcome(path: Path) -> JobOutcome:
    return TypeAdapter(JobOutcome).validate_python(read_json(path))
