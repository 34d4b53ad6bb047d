"""A sweep's run in MLflow, above those of its cells."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from filelock import FileLock
from pydantic import TypeAdapter

from csam_lightning.machine.processes import interrupts_deferred
from csam_lightning.state import read_json, read_state, write_json
from csam_lightning.tracking import runs
from csam_lightning.tracking.store import experiment_id, hide_password, open_store, short, store_uri, without_password

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

log = logging.getLogger(__name__)

ABOUT = "sweep.json"


class SweepRun:
    """The run of a grid of cells, made by whichever process reaches the store first.

    Args:
        folder: What is kept of the grid, named by its id; see :meth:`describe`.
        uri: The store, see :func:`csam_lightning.tracking.store.store_uri`.
        experiment: Name of the experiment.

    Raises:
        InputError: ``uri`` is no address of a store.
    """

    def __init__(self, folder: Path, *, uri: str | None, experiment: str) -> None:
        """Remember where the grid is kept."""
        self.folder = folder.absolute()
        self.uri = store_uri(uri)
        self.experiment = experiment
        self._file = self.folder / f"{short(self.uri)}-{short(experiment)}.run.json"
        self._lock = FileLock(self.folder / "run.lock")  # jobs in other processes keep the same state

    @property
    def id(self) -> str:
        """The grid's id."""
        return self.folder.name

    @classmethod
    def of(cls, file: Path, *, uri: str) -> "SweepRun | None":
        """Return the sweep that keeps its state in ``file``; None where that is damaged.

        Call it only while no other process runs the sweep.
        """
        state = read_state(file, _read)
        return None if state is None else cls(file.parent, uri=uri, experiment=state["experiment"])

    def describe(self, name: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write the name, params and tags of its run."""
        write_json(self.folder / ABOUT, {"name": name, "params": dict(params), "tags": dict(tags)})

    def run_id(self, client: "MlflowClient") -> str:
        """Return the sweep's run; it is made where the store has none."""
        with self._lock:
            known = self._state.get("run_id")
            if known and runs.alive(client, known):
                return str(known)
            about = read_state(self.folder / ABOUT, _read_about) or _About(self.id, {}, {"sweep.id": self.id})
            experiment = experiment_id(client, self.uri, self.experiment)
            key = self._state.get("key")
            if known or key is None:
                key = uuid4().hex
                self._keep(key=key, run_id=None)
            tags = {**about.tags, runs.LEVEL_TAG: runs.SWEEP}
            run_id = runs.create(client, experiment, about.name, tags, key=key)
            runs.log_params(client, run_id, about.params)
            self._keep(run_id=run_id, open=True)
            return run_id

    def begin(self) -> None:
        """Show the sweep as running; where the store is unreachable, the first cell that reaches it makes the run."""
        self._keep(open=True, closing=None)

        def show() -> None:
            client = open_store(self.uri)
            client.update_run(self.run_id(client), status="RUNNING")

        self._guarded(show, "it is made when the store answers")

    def close(self, status: str, metrics: Mapping[str, float], artifacts: Mapping[Path, str]) -> None:
        """End the run with its results, now or, where the store is unreachable, at the next start.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            metrics: Counts of cells and the like.
            artifacts: File → folder in the run.
        """
        files = {str(file.absolute()): folder for file, folder in artifacts.items()}
        self._keep(closing={"status": status, "metrics": dict(metrics), "artifacts": files})
        self.settle()

    def settle(self) -> None:
        """Send a closing that was kept, or end as killed what a dead process left open.

        Call it only while no other process runs the sweep.
        """
        closing = self._state.get("closing") or {"status": "KILLED", "metrics": {}, "artifacts": {}}

        def send() -> None:
            client = open_store(self.uri)
            artifacts = {Path(name): folder for name, folder in closing["artifacts"].items()}
            runs.close(client, self.run_id(client), closing["metrics"], artifacts, closing["status"])
            self._keep(open=False, closing=None)

        self._guarded(send, "it is ended at the next start")

    @property
    def _state(self) -> dict[str, Any]:
        with self._lock:
            return read_state(self._file, _read) or {}

    def _keep(self, **changes: Any) -> None:
        with self._lock:
            write_json(self._file, {**self._state, "experiment": self.experiment, **changes})

    def _guarded(self, action: Any, otherwise: str) -> None:
        try:
            with interrupts_deferred():
                action()
        except Exception as error:  # noqa: BLE001 - whatever the store does, training continues
            reason = hide_password((str(error).strip() or type(error).__name__).splitlines()[0], self.uri)
            log.warning("MLflow store %s: %s. The sweep's run: %s", without_password(self.uri), reason, otherwise)


@dataclass(frozen=True)
class _About:
    name: str
    params: dict[str, str]
    tags: dict[str, str]


@dataclass(frozen=True)
class _Closing:
    status: str
    metrics: dict[str, float]
    artifacts: dict[str, str]


@dataclass(frozen=True)
class _State:
    experiment: str
    key: str | None = None
    run_id: str | None = None
    open: bool = False
    closing: _Closing | None = None


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path)
    TypeAdapter(_State).validate_python(content)
    return content


def _read_about(path: Path) -> _About:
    return TypeAdapter(_About).validate_python(read_json(path))
