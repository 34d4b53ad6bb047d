"""Sends what is known of a cell to MLflow, each thing once, and never lets a store's trouble reach the training."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csam_lightning.files import written_atomically
from csam_lightning.locks import cell_locked_if_free
from csam_lightning.tracking.record import CellRecord, DatasetRecord, FoldRecord
from csam_lightning.tracking.store import (
    experiment_id,
    hide_password,
    open_store,
    store_uri,
    without_password,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
PARENT_TAG = "mlflow.parentRunId"


class Publisher:
    """Mirrors a cell's record to MLflow; remembers in the cell's folder what has been sent.

    Args:
        folder: The cell's folder; ``tracking/`` in it remembers what was sent, and what could not be.
        uri: The store, see :func:`csam_lightning.tracking.store.store_uri`.
        experiment: Name of the experiment.

    Raises:
        InputError: ``uri`` is no address of a store.
    """

    def __init__(self, folder: Path, *, uri: str | None, experiment: str) -> None:
        """Read what has been sent before."""
        self.uri = store_uri(uri)
        self.experiment = experiment
        key = hashlib.sha256(experiment.encode()).hexdigest()[:12]
        self._sent_file = folder / "tracking" / f"{_key(self.uri)}-{key}.sent.json"
        self._pending_file = folder / "tracking" / f"{_key(self.uri)}-{key}.pending.json"
        self._sent: dict[str, Any] = json.loads(self._sent_file.read_text()) if self._sent_file.is_file() else {}
        self._client: MlflowClient | None = None
        self._next_try = 0.0
        self._reached = False

    @property
    def run_id(self) -> str | None:
        """The cell's run, where the store has one."""
        return self._sent.get("run_id")

    @property
    def fold_run_ids(self) -> dict[int, str | None]:
        """The folds' runs, where the store has them."""
        return {int(number): sent["run_id"] for number, sent in self._sent.get("folds", {}).items()}

    @property
    def reached(self) -> bool:
        """Whether the store has answered at all."""
        return self._reached

    def publish(self, record: CellRecord, *, patient: bool = True) -> bool:
        """Send what is new in ``record``; on failure warn, keep it for later and return False.

        Args:
            record: All that is known of the cell by now.
            patient: False: after a failure, do not try again for ``RETRY_SECONDS``.
        """
        if not patient and time.monotonic() < self._next_try:
            return False
        return self._guarded(lambda: self._send(record), record)

    def end(self, record: CellRecord, status: str) -> bool:
        """Mark the runs that are not finished as ended with ``status``, ``KILLED`` or ``FAILED``."""
        return self._guarded(lambda: self._terminate_open(record, status), record)

    def _guarded(self, action: Callable[[], None], record: CellRecord) -> bool:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever the store does, training goes on
            if not self._next_try:
                reason = hide_password((str(error).strip() or type(error).__name__).splitlines()[0], self.uri)
                log.warning(
                    "MLflow store %s: %s. Training goes on; results are kept in %s and sent at the next start",
                    without_password(self.uri),
                    reason,
                    self._pending_file.parent,
                )
            self._client = None
            self._next_try = time.monotonic() + RETRY_SECONDS
            try:
                self._keep(record)
            except OSError as full:
                log.warning("%s could not be written (%s)", self._pending_file, full.strerror)
            return False
        self._next_try = 0.0
        self._pending_file.unlink(missing_ok=True)
        return True

    def _keep(self, record: CellRecord) -> None:
        pending = {"experiment": self.experiment, "record": record.to_json()}
        with written_atomically(self._pending_file) as temporary:
            temporary.write_text(json.dumps(pending))

    def _remember(self) -> None:
        with written_atomically(self._sent_file) as temporary:
            temporary.write_text(json.dumps(self._sent))

    def _connect(self) -> "MlflowClient":
        if self._client is None:
            client = open_store(self.uri)
            self._reached = True
            self._sent["experiment_id"] = experiment_id(client, self.uri, self.experiment)
            if "run_id" in self._sent and not _alive(client, self._sent["run_id"]):
                self._sent = {"experiment_id": self._sent["experiment_id"]}
            self._client = client
        return self._client

    def _send(self, record: CellRecord) -> None:
        client = self._connect()
        if "run_id" not in self._sent:
            self._sent["run_id"] = self._create_run(client, record.name, record.tags)
            self._remember()
        if not self._sent.get("described"):
            _log_params(client, self._sent["run_id"], record.params)
            _log_dataset(client, self._sent["run_id"], record.dataset)
            self._sent |= {"described": True, "folds": {}}
            self._remember()
        for fold in record.folds:
            self._send_fold(client, record, fold)
        closing = [fold.number for fold in record.folds]
        if record.finished and not set(closing) <= set(self._sent.get("closed_with", [])):
            _close(client, self._sent["run_id"], record.metrics, record.artifacts)
            self._sent["closed_with"] = closing
            self._remember()

    def _send_fold(self, client: "MlflowClient", record: CellRecord, fold: FoldRecord) -> None:
        sent = self._sent["folds"].get(str(fold.number))
        if sent is None:
            tags = {**record.tags, PARENT_TAG: self._sent["run_id"], "fold": str(fold.number)}
            run_id = self._create_run(client, f"{record.name} · fold {fold.number}", tags)
            sent = self._sent["folds"][str(fold.number)] = {"run_id": run_id, "described": False, "epochs": 0}
            self._remember()
        if not sent["described"]:
            _log_params(client, sent["run_id"], {**record.params, "fold": str(fold.number)})
            sent["described"] = True
            self._remember()
        if fold.history[sent["epochs"] :]:
            _log_epochs(client, sent["run_id"], fold.history, first=sent["epochs"])
            sent["epochs"] = len(fold.history)
            self._remember()
        if fold.finished and not sent.get("closed"):
            _close(client, sent["run_id"], fold.metrics, fold.artifacts)
            sent["closed"] = True
            self._remember()

    def _create_run(self, client: "MlflowClient", name: str, tags: Mapping[str, str]) -> str:
        run = client.create_run(self._sent["experiment_id"], run_name=name, tags=dict(tags))
        return str(run.info.run_id)

    def _terminate_open(self, record: CellRecord, status: str) -> None:
        self._send(record)
        client = self._connect()
        for fold in record.folds:
            sent = self._sent["folds"][str(fold.number)]
            if not sent.get("closed"):
                client.set_terminated(sent["run_id"], status=status)
        if "closed_with" not in self._sent:
            client.set_terminated(self._sent["run_id"], status=status)

    def reopen(self) -> None:
        """Show the runs of a cell that is taken up again as running."""
        if not self._sent:
            return
        ids = [sent["run_id"] for sent in self._sent.get("folds", {}).values() if not sent.get("closed")]
        if "closed_with" not in self._sent and self.run_id:
            ids.append(self.run_id)
        try:
            client = self._connect()
            for run_id in ids:
                if _alive(client, run_id):
                    client.update_run(run_id, status="RUNNING")
        except Exception as error:  # noqa: BLE001 - publish, which follows, says what is wrong
            log.debug("runs could not be shown as running: %s", error)


def publish_pending(cells: Path, *, uri: str | None) -> None:
    """Send what former runs could not send to the store at ``uri``, for every cell below ``cells``."""
    for file in sorted(cells.glob(f"*/tracking/{_key(store_uri(uri))}-*.pending.json")):
        folder = file.parent.parent
        with cell_locked_if_free(folder) as held:
            if not held or not file.is_file():
                continue
            pending = json.loads(file.read_text())
            publisher = Publisher(folder, uri=uri, experiment=pending["experiment"])
            if publisher.publish(CellRecord.from_json(pending["record"])):
                log.info("sent the kept results of cell %s to MLflow", folder.name)
            elif not publisher.reached:
                return


def _key(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:12]


def _alive(client: "MlflowClient", run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def _log_params(client: "MlflowClient", run_id: str, params: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    entries = [Param(name, value) for name, value in params.items()]
    for start in range(0, len(entries), 100):  # the most that MLflow takes at once
        client.log_batch(run_id, params=entries[start : start + 100])


def _log_dataset(client: "MlflowClient", run_id: str, dataset: DatasetRecord) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    entity = Dataset(
        name=dataset.name,
        digest=dataset.digest,
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
        profile=json.dumps(dataset.profile),
    )
    client.log_inputs(run_id, datasets=[DatasetInput(entity, [InputTag("mlflow.data.context", "cross-validation")])])


def _log_epochs(client: "MlflowClient", run_id: str, history: list[dict[str, float]], *, first: int) -> None:
    from mlflow.entities import Metric

    metrics = [
        Metric(name, value, int(past["ended"] * 1000), epoch)
        for epoch, past in enumerate(history[first:], start=first + 1)
        for name, value in past.items()
        if "/" in name
    ]
    for start in range(0, len(metrics), 1000):  # the most that MLflow takes at once
        client.log_batch(run_id, metrics=metrics[start : start + 1000])


def _close(client: "MlflowClient", run_id: str, metrics: Mapping[str, float], artifacts: Mapping[Path, str]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(
        run_id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items() if isfinite(value)]
    )
    for file, folder in artifacts.items():
        if file.is_file():
            client.log_artifact(run_id, str(file), folder or None)
        else:
            log.warning("%s is gone and not sent to MLflow", file)
    client.set_terminated(run_id, status="FINISHED")
