"""What the jobs of a sweep, wherever they run, and the process that launched them tell each other: files."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from csam_lightning.files import written_atomically


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
        with written_atomically(self.path / "sweep.json") as temporary:
            temporary.write_text(json.dumps({"grid": str(grid.absolute())}))

    def read_grid(self) -> Path:
        """Return what :meth:`write_grid` told."""
        return Path(json.loads((self.path / "sweep.json").read_text())["grid"])

    def write(self, outcome: JobOutcome) -> None:
        """Tell how a job ended."""
        with written_atomically(self.path / "outcomes" / f"{outcome.number}.json") as temporary:
            temporary.write_text(json.dumps(asdict(outcome)))

    def read(self) -> dict[int, JobOutcome]:
        """Return how the jobs that have ended did, by number."""
        files = (self.path / "outcomes").glob("[0-9]*.json")
        outcomes = [JobOutcome(**json.loads(file.read_text())) for file in files]
        return {outcome.number: outcome for outcome in sorted(outcomes, key=lambda outcome: outcome.number)}
