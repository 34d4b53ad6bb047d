"""Writes to a run with MLflow's client."""

import json
import logging
import time
from collections.abc import Iterable, Mapping
from errno import EIO
from filecmp import cmp
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from csam_lightning.files import sync_folder, sync_tree, zip_is_whole
from csam_lightning.state import peek_state
from csam_lightning.tracking.record import DatasetRecord

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PARENT_TAG = "mlflow.parentRunId"
KEY_TAG = "run.key"

LEVEL_TAG = "level"
"""Whether a run is a sweep's, a cell's or a fold's."""
SWEEP, CELL, FOLD = "sweep", "cell", "fold"

CHECKPOINTS = "checkpoints"
"""Folder of a fold's run for the files of its network."""

log = logging.getLogger(__name__)


def alive(client: "MlflowClient", run_id: str) -> bool:
    """Return whether the store has the run and it is not deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def create(client: "MlflowClient", experiment: str, name: str, tags: Mapping[str, str], *, key: str) -> str:
    """Return the id of the run that ``key`` stands for; it is made where the store has none.

    A store that answers late or dies may have made a run unnoticed, and MLflow's client asks again by itself. So the
    store is asked before and after, and a run that was made twice is deleted.
    """

    def stored() -> list[str]:
        found = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{key}'", order_by=["attributes.start_time"])
        return [str(run.info.run_id) for run in found]

    ids = stored()
    if not ids:
        client.create_run(experiment, run_name=name, tags={**tags, KEY_TAG: key})
        ids = stored()
    for twin in ids[1:]:
        client.delete_run(twin)
    return ids[0]


def log_params(client: "MlflowClient", run_id: str, params: Mapping[str, str]) -> None:
    """Log parameters, however many."""
    from mlflow.entities import Param

    entries = [Param(name, value) for name, value in params.items()]
    for start in range(0, len(entries), 100):  # the most that MLflow takes at once
        client.log_batch(run_id, params=entries[start : start + 100])


def log_dataset(client: "MlflowClient", run_id: str, dataset: DatasetRecord) -> None:
    """Log the input data set.

    Of several processes that log one at the same moment MLflow refuses all but the first; asked again, it finds it.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    entity = Dataset(
        name=dataset.name,
        digest=dataset.digest,
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
        profile=json.dumps(dataset.profile),
    )
    inputs = [DatasetInput(entity, [InputTag("mlflow.data.context", "cross-validation")])]
    try:
        client.log_inputs(run_id, datasets=inputs)
    except MlflowException as error:
        if error.error_code != "BAD_REQUEST":
            raise
        client.log_inputs(run_id, datasets=inputs)


def log_epochs(client: "MlflowClient", run_id: str, history: list[dict[str, float]], *, first: int) -> None:
    """Log the metrics of the epochs after the first ``first``; only names with a slash are metrics."""
    from mlflow.entities import Metric

    metrics = [
        Metric(name, value, int(past["ended"] * 1000), epoch)
        for epoch, past in enumerate(history[first:], start=first + 1)
        for name, value in past.items()
        if "/" in name
    ]
    for start in range(0, len(metrics), 1000):  # the most that MLflow takes at once
        client.log_batch(run_id, metrics=metrics[start : start + 1000])


def close(
    client: "MlflowClient",
    run_id: str,
    metrics: Mapping[str, float],
    artifacts: Mapping[Path, str],
    status: str = "FINISHED",
) -> None:
    """Log closing metrics (finite ones) and artifacts (file → folder in the run), and end the run with ``status``.

    Checkpoints are most of what a store takes, and are only ever replaced, not changed: where the store keeps artifacts
    on the file's own disk, the two share its bytes.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    client.log_batch(
        run_id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items() if isfinite(value)]
    )
    place = _local_folder(client, run_id) if artifacts else None
    for file, folder in artifacts.items():
        if folder == CHECKPOINTS and place and _linked(place, file):
            continue
        if file.is_file():
            client.log_artifact(run_id, str(file), folder or None)
        else:
            log.warning("%s is gone and not sent to MLflow", file)
    if place and place.is_dir():
        _make_durable(place, [place / CHECKPOINTS / file.name for file, to in artifacts.items() if to == CHECKPOINTS])
    client.set_terminated(run_id, status=status)


def checkpoints_are_whole(artifacts: Mapping[Path, str]) -> bool:
    """Return whether no checkpoint among ``artifacts`` is damaged; a warning names one that is."""
    for file, folder in artifacts.items():
        if folder == CHECKPOINTS and file.is_file() and not peek_state(file, zip_is_whole):
            log.warning("%s is damaged and not sent to MLflow: train its fold again", file)
            return False
    return True


def checkpoints_are_kept(client: "MlflowClient", run_id: str, artifacts: Mapping[Path, str]) -> bool:
    """Return whether a store in this machine's file system has each checkpoint among ``artifacts`` as it was sent.

    True for other stores, which are not asked, and where the run's folder is not on this machine.
    """
    place = _local_folder(client, run_id)
    checkpoints = [file for file, folder in artifacts.items() if folder == CHECKPOINTS and file.is_file()]
    if place is None or not place.is_dir():
        return True
    return all(_same(file, place / CHECKPOINTS / file.name) for file in checkpoints)


def _same(file: Path, copy: Path) -> bool:
    try:
        return copy.samefile(file) or cmp(file, copy, shallow=False)
    except OSError:
        return False


def _local_folder(client: "MlflowClient", run_id: str) -> Path | None:
    """Return the folder of a run's artifacts where the store keeps them in this machine's file system."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    repository = get_artifact_repository(client.get_run(run_id).info.artifact_uri)
    return Path(repository.artifact_dir) if isinstance(repository, LocalArtifactRepository) else None


def _linked(place: Path, checkpoint: Path) -> bool:
    """Give a run a hard link to a checkpoint, and return whether that could be done; a file there already cannot."""
    target = place / CHECKPOINTS / checkpoint.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(checkpoint)
    except OSError as error:
        log.debug("%s is copied, for it cannot be linked: %s", checkpoint, error)
        return False
    return True


def _make_durable(place: Path, checkpoints: Iterable[Path]) -> None:
    """Return when a run's artifacts are on the disk: a run that is ended must not lose them when the power fails.

    Raises:
        OSError: The disk does not take them, or a checkpoint is not read as it was sent.
    """
    sync_tree(place)
    for folder in (place.parent, place.parent.parent):  # the run's, in the store's
        sync_folder(folder)
    for checkpoint in checkpoints:
        if checkpoint.is_file() and not zip_is_whole(checkpoint):
            raise OSError(EIO, "is not read as it was sent", str(checkpoint))
