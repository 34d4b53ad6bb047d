"""Reads runs back from the MLflow store, as plain values; what it returns is as little to be trusted as the store."""

import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from csam_lightning.errors import InputError
from csam_lightning.tracking.runs import PARENT_TAG
from csam_lightning.tracking.store import hide_password, open_store, sqlite_file, store_uri, without_password

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

PAGE = 1000
LARGEST_ARTIFACT = 32 * 2**20
"""Bytes of the largest artifact that is read; those of a cell are far smaller."""

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it.

    Attributes:
        id: The run's id.
        name: Its name.
        status: ``FINISHED``, ``RUNNING``, ``FAILED``, ``KILLED`` or ``SCHEDULED``.
        started: When it started, milliseconds since 1970.
        params: Its parameters.
        metrics: The latest value of each of its metrics.
        tags: Its tags.
        profile: Counts of its input data set; empty where none was logged.
        source: Where its input data set lay; empty where that is unknown.
    """

    id: str
    name: str
    status: str
    started: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    profile: Mapping[str, Any]
    source: str = ""

    @property
    def parent(self) -> str | None:
        """The run above it."""
        return self.tags.get(PARENT_TAG)


class StoreReader:
    """An MLflow store that is there already.

    Args:
        uri: The store, see :func:`csam_lightning.tracking.store.store_uri`.

    Raises:
        InputError: It is no address of a store, there is no store, or it does not answer.
    """

    def __init__(self, uri: str | None) -> None:
        """Open the store; nothing is created."""
        self.uri = store_uri(uri)
        self._file = sqlite_file(self.uri)
        if self._file is not None and not self._file.is_file():
            raise InputError(
                f"there is no MLflow store {without_password(self.uri)}",
                where="tracking.uri",
                mend="train first, or name the store: tracking.uri=sqlite:///FILE or http://…",
            )
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._client: MlflowClient = self._asked(lambda: open_store(self.uri))

    def experiments(self) -> list[str]:
        """Return the names of the experiments."""
        return sorted(str(found.name) for found in self._asked(lambda: list(self._client.search_experiments())))

    def runs(self, experiment: str) -> list[StoredRun]:
        """Return all runs of an experiment, the latest first.

        Raises:
            InputError: There is no such experiment, or the store does not answer.
        """
        found = self._asked(lambda: self._client.get_experiment_by_name(experiment))
        if found is None:
            known = ", ".join(self.experiments())
            raise InputError(
                f"the store {without_password(self.uri)} has no experiment {experiment!r}",
                where="tracking.experiment",
                mend=f"choose one of {known}",
            )
        pages = self._asked(lambda: list(self._pages(str(found.experiment_id))))
        return [_stored(run) for run in pages]

    def run(self, run_id: str) -> StoredRun | None:
        """Return a run; None where the store has none, or it was deleted.

        Raises:
            InputError: The store does not answer.
        """
        found = self._asked(lambda: self._unless_missing(lambda: self._client.get_run(run_id)))
        return None if found is None or found.info.lifecycle_stage != "active" else _stored(found)

    def children(self, run_id: str) -> list[StoredRun]:
        """Return the runs right below a run, the latest first.

        Raises:
            InputError: The store does not answer.
        """

        def ask() -> list["Run"]:
            experiment = self._client.get_run(run_id).info.experiment_id
            return list(self._pages(str(experiment), f"tags.`{PARENT_TAG}` = '{run_id}'"))

        return [_stored(run) for run in self._asked(ask)]

    def registered(self, name: str, which: str, *, by_alias: bool) -> str | None:
        """Return the id of the run that a registered model came from; None where there is no such model, or no run.

        Args:
            name: The model's name.
            which: Its alias or its version.
            by_alias: Whether it is an alias.

        Raises:
            InputError: The store does not answer.
        """

        def ask() -> Any:
            if by_alias:
                return self._client.get_model_version_by_alias(name, which)
            return self._client.get_model_version(name, which)

        found = self._asked(lambda: self._unless_missing(ask))
        return None if found is None or not found.run_id else str(found.run_id)

    @staticmethod
    def _unless_missing(question: Callable[[], T]) -> T | None:
        from mlflow.exceptions import MlflowException

        try:
            return question()
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise

    def download(self, run_id: str, path: str, folder: Path) -> Path | None:
        """Fetch an artifact of any size; None where the run has none at ``path``.

        Args:
            run_id: The run.
            path: The artifact's path in the run.
            folder: Where to put it, under the same path, unless it can be read where it lies.

        Raises:
            InputError: The store does not answer.
        """
        copied = self._beside(run_id, path)
        if copied is not None and copied.is_file():
            return copied
        listed = self._asked(lambda: self._client.list_artifacts(run_id, _folder(path)))
        if path not in {entry.path for entry in listed if not entry.is_dir}:
            return None
        fetched = Path(self._asked(lambda: self._client.download_artifacts(run_id, path, str(folder))))
        inside = fetched.resolve().is_relative_to(folder.resolve())
        return fetched if inside and fetched.is_file() and not fetched.is_symlink() else None

    def _pages(self, experiment_id: str, matching: str = "") -> Iterator["Run"]:
        token = None
        while True:
            page = self._client.search_runs(
                [experiment_id], matching, max_results=PAGE, order_by=["attributes.start_time DESC"], page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Return a metric's value at each step; the latest where a step has several."""
        history = self._asked(lambda: self._client.get_metric_history(run_id, metric))
        latest = sorted(history, key=lambda entry: entry.timestamp)
        return {entry.step: entry.value for entry in sorted(latest, key=lambda entry: entry.step)}

    def files(self, run_id: str, folder: str) -> list[str]:
        """Return the paths of the files in a folder of a run's artifacts; none where it cannot be read."""
        try:
            found = [entry.path for entry in self._client.list_artifacts(run_id, folder) if not entry.is_dir]
        except Exception as error:  # noqa: BLE001 - a report goes on without it and says so
            log.debug("artifacts of run %s: %s", run_id, error)
            found = []
        copied = self._beside(run_id, folder)
        if not found and copied is not None and copied.is_dir():
            found = [f"{folder}/{file.name}" for file in copied.iterdir() if file.is_file()]
        return sorted(found)

    def artifact(self, run_id: str, path: str) -> bytes | None:
        """Return the content of an artifact; None where there is none, it is too large or it cannot be read."""
        copied = self._beside(run_id, path)
        if copied is not None and copied.is_file():
            return copied.read_bytes() if copied.stat().st_size <= LARGEST_ARTIFACT else None
        try:
            sizes = {entry.path: entry.file_size or 0 for entry in self._client.list_artifacts(run_id, _folder(path))}
            if sizes.get(path, LARGEST_ARTIFACT + 1) > LARGEST_ARTIFACT:
                return None
            with tempfile.TemporaryDirectory() as folder:
                return Path(self._client.download_artifacts(run_id, path, folder)).read_bytes()
        except Exception as error:  # noqa: BLE001 - a report goes on without it and says so
            log.debug("artifact %s of run %s: %s", path, run_id, error)
            return None

    def _beside(self, run_id: str, path: str) -> Path | None:
        """Return where an artifact lies when a SQLite store and its ``mlartifacts`` were copied from elsewhere.

        The store names artifacts by the full path that they had on the machine that trained.
        """
        if self._file is None or not re.fullmatch("[0-9a-f]{32}", run_id):
            return None
        top = self._file.parent / "mlartifacts" / run_id / "artifacts"
        place = (top / path).resolve()
        return place if place.is_relative_to(top.resolve()) else None

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except InputError:
            raise
        except Exception as error:
            reason = hide_password((str(error).strip() or type(error).__name__).splitlines()[0], self.uri)
            raise InputError(
                f"the MLflow store {without_password(self.uri)} does not answer: {reason[:200]}",
                where="tracking.uri",
                mend="start it, or name another one",
            ) from error


def _folder(path: str) -> str | None:
    return path.rpartition("/")[0] or None


def _stored(run: "Run") -> StoredRun:
    return StoredRun(
        id=str(run.info.run_id),
        name=str(run.info.run_name or run.info.run_id),
        status=str(run.info.status),
        started=int(run.info.start_time or 0),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=dict(run.data.tags),
        profile=_told(run, "profile"),
        source=str(_told(run, "source").get("uri", "")),
    )


def _told(run: "Run", what: str) -> dict[str, Any]:
    """Return the ``profile`` or the ``source`` of a run's first input data set that has it."""
    for given in run.inputs.dataset_inputs if run.inputs else ():
        try:
            told = json.loads(getattr(given.dataset, what) or "{}")
        except ValueError:
            continue
        if isinstance(told, dict):
            return told
    return {}
