"""Sends a cell's record to MLflow, each part once; an error of the store never ends the training."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from csam_lightning.machine.processes import interrupts_deferred
from csam_lightning.state import read_state, write_json
from csam_lightning.tracking import runs
from csam_lightning.tracking.kept import PENDING, read_origin, read_pending, read_sent
from csam_lightning.tracking.record import CellRecord, FoldRecord
from csam_lightning.tracking.store import (
    experiment_id,
    hide_password,
    open_store,
    short,
    store_uri,
    without_password,
)
from csam_lightning.tracking.sweep_run import SweepRun

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0


class Publisher:
    """Mirrors a cell's record to MLflow; remembers in the cell's folder what has been sent.

    Args:
        folder: The cell's folder; ``tracking/`` in it remembers what was sent, and what could not be.
        uri: The store, see :func:`csam_lightning.tracking.store.store_uri`.
        experiment: Name of the experiment.
        sweep: The sweep that the cell's run belongs to, or None where it was asked for by itself. A cell has a run
            of its own in every sweep.

    Raises:
        InputError: ``uri`` is no address of a store.
    """

    def __init__(self, folder: Path, *, uri: str | None, experiment: str, sweep: SweepRun | None = None) -> None:
        """Read what has been sent before."""
        self.uri = store_uri(uri)
        self.experiment = experiment
        self._sweep = sweep
        name = "-".join([short(self.uri), short(experiment), *([sweep.id] if sweep else [])])
        self._sent_file = folder / "tracking" / f"{name}.sent.json"
        self._pending_file = folder / "tracking" / f"{name}{PENDING}"
        self._sent: dict[str, Any] = read_state(self._sent_file, read_sent) or {}
        self._client: MlflowClient | None = None
        self._next_try = 0.0
        self._reached = False
        self._compared: set[int] = set()

    @property
    def run_id(self) -> str | None:
        """The cell's run, where the store has one."""
        return self._sent.get("run_id")

    @property
    def fold_run_ids(self) -> dict[int, str | None]:
        """The folds' runs, where the store has them."""
        return {int(number): sent["run_id"] for number, sent in self._sent.get("folds", {}).items()}

    def publish(self, record: CellRecord, *, patient: bool = True) -> bool:
        """Send what is new in ``record``; on failure warn, keep it for later and return False.

        Args:
            record: All that is known of the cell by now.
            patient: False: after a failure, do not try again for ``RETRY_SECONDS``.
        """
        if not patient and time.monotonic() < self._next_try:
            return False
        return self._guarded(lambda: self._send(record), record)

    def end(self, status: str) -> None:
        """Mark the runs that are not finished as ended with ``status``, ``KILLED`` or ``FAILED``.

        Where the store is unreachable the next start marks them as killed.
        """
        try:
            with interrupts_deferred():
                self._terminate(status)
        except Exception as error:  # noqa: BLE001 - the error that ended the training is the one to report
            log.debug("runs could not be ended: %s", error)

    def settle(self) -> bool:
        """Send what a former process could not send, and end the runs that it left open when it died.

        Call it only while no other process holds the cell. Return whether the store answered.
        """
        record = read_state(self._pending_file, read_pending)
        if record is not None:
            if not self.publish(record):
                return self._reached
            log.info("sent the kept results of cell %s to MLflow", self._sent_file.parent.parent.name)
        if self._sent.get("open"):
            self.end("KILLED")
        return True

    def _guarded(self, action: Callable[[], None], record: CellRecord) -> bool:
        try:
            with interrupts_deferred():
                action()
        except Exception as error:  # noqa: BLE001 - whatever the store does, training continues
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
        pending = {**self._origin, "record": record.to_json()}
        write_json(self._pending_file, pending)

    @property
    def _origin(self) -> dict[str, str | None]:
        """What :meth:`of` needs to make this publisher again."""
        return {"experiment": self.experiment, "sweep": str(self._sweep.folder) if self._sweep else None}

    @classmethod
    def of(cls, file: Path, *, uri: str) -> Self | None:
        """Return the publisher that wrote ``file`` to its cell's ``tracking/``; None where it is damaged.

        Call it only while no other process holds the cell.
        """
        origin = read_state(file, read_origin)
        if origin is None:
            return None
        sweep = SweepRun(Path(origin.sweep), uri=uri, experiment=origin.experiment) if origin.sweep else None
        return cls(file.parent.parent, uri=uri, experiment=origin.experiment, sweep=sweep)

    def _remember(self) -> None:
        write_json(self._sent_file, {**self._sent, **self._origin})

    def _connect(self) -> "MlflowClient":
        if self._client is None:
            client = open_store(self.uri)
            self._reached = True
            self._sent["experiment_id"] = experiment_id(client, self.uri, self.experiment)
            if "run_id" in self._sent and not runs.alive(client, self._sent["run_id"]):
                self._sent = {"experiment_id": self._sent["experiment_id"]}
            self._client = client
        return self._client

    def _send(self, record: CellRecord) -> None:
        client = self._connect()
        if "run_id" not in self._sent:
            parent = {runs.PARENT_TAG: self._sweep.run_id(client)} if self._sweep else {}
            self._sent["run_id"] = self._create_run(
                client, record.name, {**record.tags, **parent, runs.LEVEL_TAG: runs.CELL}
            )
            self._sent["open"] = True
            self._remember()
        if not self._sent.get("described"):
            runs.log_params(client, self._sent["run_id"], record.params)
            runs.log_dataset(client, self._sent["run_id"], record.dataset)
            self._sent |= {"described": True, "folds": {}}
            self._remember()
        for fold in record.folds:
            self._send_fold(client, record, fold)
        closing = [fold.number for fold in record.folds]
        closed = all(self._sent["folds"][str(number)].get("closed") for number in closing)
        if record.finished and closed and self._closes_anew(record):
            runs.close(client, self._sent["run_id"], record.metrics, record.artifacts)
            self._sent |= {"closed_with": closing, "closed_metrics": _text(record.metrics), "open": False}
            self._remember()

    def _closes_anew(self, record: CellRecord) -> bool:
        """Return whether a finished record has more folds than the store, or other metrics of the same folds."""
        closing, before = {fold.number for fold in record.folds}, set(self._sent.get("closed_with", []))
        if closing == before:
            return bool(_text(record.metrics) != self._sent.get("closed_metrics"))
        return not closing <= before

    def _send_fold(self, client: "MlflowClient", record: CellRecord, fold: FoldRecord) -> None:
        sent = self._sent["folds"].get(str(fold.number))
        if sent is None:
            parent = {runs.PARENT_TAG: self._sent["run_id"]}
            tags = {**record.tags, **parent, runs.LEVEL_TAG: runs.FOLD, "fold": str(fold.number)}
            run_id = self._create_run(client, f"{record.name} · fold {fold.number}", tags)
            sent = self._sent["folds"][str(fold.number)] = {"run_id": run_id, "described": False, "epochs": 0}
            self._sent["open"] = True
            self._remember()
        if not sent["described"]:
            runs.log_params(client, sent["run_id"], {**record.params, "fold": str(fold.number)})
            sent["described"] = True
            self._remember()
        if fold.history[sent["epochs"] :]:
            runs.log_epochs(client, sent["run_id"], fold.history, first=sent["epochs"])
            sent["epochs"] = len(fold.history)
            self._remember()
        again = not fold.finished or fold.trained != sent.get("trained", fold.trained)
        if sent.get("closed") and (again or self._lost(client, fold, sent["run_id"])):
            sent["closed"], self._sent["open"] = False, True
            self._sent.pop("closed_with", None)  # the cell's numbers are made of the fold's
            self._remember()
            client.update_run(sent["run_id"], status="RUNNING")
        if fold.finished and not sent.get("closed") and runs.checkpoints_are_whole(fold.artifacts):
            runs.close(client, sent["run_id"], fold.metrics, fold.artifacts)
            sent |= {"closed": True, "trained": fold.trained}
            self._compared.add(fold.number)
            self._remember()

    def _lost(self, client: "MlflowClient", fold: FoldRecord, run_id: str) -> bool:
        """Return whether the store's copy of a fold's checkpoints is damaged or gone; asked once by each process."""
        if fold.number in self._compared:
            return False
        self._compared.add(fold.number)
        kept = runs.checkpoints_are_kept(client, run_id, fold.artifacts)
        if not kept:
            log.warning("the MLflow store's copy of fold %d is damaged or gone; it is sent again", fold.number)
        return not kept

    def _create_run(self, client: "MlflowClient", name: str, tags: Mapping[str, str]) -> str:
        if "key" not in self._sent:
            self._sent["key"] = uuid4().hex
            self._remember()
        key = f"{self._sent['key']} {tags.get('fold', 'cell')}"
        return runs.create(client, self._sent["experiment_id"], name, tags, key=key)

    @property
    def _unfinished(self) -> list[str]:
        """Runs that are not closed with results."""
        if self.run_id is None:
            return []
        ids = [sent["run_id"] for sent in self._sent.get("folds", {}).values() if not sent.get("closed")]
        return ids if "closed_with" in self._sent else [*ids, self.run_id]

    def _terminate(self, status: str) -> None:
        client = self._connect()
        for run_id in self._unfinished:
            client.set_terminated(run_id, status=status)
        self._sent["open"] = False
        self._remember()

    def reopen(self) -> None:
        """Show the runs of a resumed cell as running."""
        if self.run_id is None:
            return
        try:
            client = self._connect()
            for run_id in self._unfinished:
                if runs.alive(client, run_id):
                    client.update_run(run_id, status="RUNNING")
            self._sent["open"] = bool(self._unfinished)
            self._remember()
        except Exception as error:  # noqa: BLE001 - publish, which follows, says what is wrong
            log.debug("runs could not be shown as running: %s", error)


def _text(metrics: Mapping[str, float]) -> str:
    """Return text that is equal for equal metrics, NaN among them."""
    return json.dumps(metrics, sort_keys=True)
