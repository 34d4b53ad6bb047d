import shutil
from pathlib import Path

import pytest

from csam_lightning.errors import InputError
from csam_lightning.tracking.reading import LARGEST_ARTIFACT, StoreReader
from csam_lightning.tracking.store import experiment_id, open_store


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a run of a cell, as plain MLflow calls make it."""
    folder = tmp_path_factory.mktemp("store")
    address = f"sqlite:///{folder}/mlflow.db"
    client = open_store(address)
    experiment = experiment_id(client, address, "lab")
    for name in ("first", "second"):
        run = client.create_run(experiment, run_name=name, start_time=1 if name == "first" else 2).info.run_id
    client.log_param(run, "seed", "0")
    for step, value in ((2, 0.5), (1, 1.0), (2, 0.25)):
        client.log_metric(run, "val/loss", value, step=step, timestamp=int(1000 / value))
    client.log_text(run, "hello", "examples/1.csv")
    client.log_text(run, "top", "scans.csv")
    client.set_terminated(run, status="FINISHED")
    return address


def latest(uri: str) -> str:
    return StoreReader(uri).runs("lab")[0].id


def test_runs_are_read_the_latest_first(uri: str) -> None:
    store = StoreReader(uri)
    runs = store.runs("lab")
    assert [run.name for run in runs] == ["second", "first"]
    assert (runs[0].status, runs[0].params, runs[0].metrics, runs[0].profile) == (
        "FINISHED",
        {"seed": "0"},
        {"val/loss": 0.25},
        {},
    )
    assert runs[0].parent is None
    assert "lab" in store.experiments()


def test_history_is_in_the_order_of_the_steps_and_the_latest_value_counts(uri: str) -> None:
    assert list(StoreReader(uri).history(latest(uri), "val/loss").items()) == [(1, 1.0), (2, 0.25)]
    assert StoreReader(uri).history(latest(uri), "nothing") == {}


def test_artifacts_are_read(uri: str) -> None:
    store, run = StoreReader(uri), latest(uri)
    assert store.files(run, "examples") == ["examples/1.csv"]
    assert store.artifact(run, "examples/1.csv") == b"hello"
    assert store.artifact(run, "scans.csv") == b"top"
    assert store.artifact(run, "missing.csv") is None
    assert store.files(run, "missing") == []


def test_store_copied_from_elsewhere_has_its_artifacts(uri: str, tmp_path: Path) -> None:
    here = Path(uri.removeprefix("sqlite:///")).parent
    copied = tmp_path / "copied"
    shutil.copytree(here, copied)
    moved = here.rename(tmp_path / "gone")
    try:
        store = StoreReader(f"sqlite:///{copied}/mlflow.db")
        run = store.runs("lab")[0].id
        assert store.artifact(run, "scans.csv") == b"top"
        assert store.files(run, "examples") == ["examples/1.csv"]
        assert store.artifact(run, "../../../mlflow.db") is None
    finally:
        moved.rename(here)


def test_artifact_that_is_too_large_is_not_read(uri: str) -> None:
    run = latest(uri)
    top = Path(uri.removeprefix("sqlite:///")).parent / "mlartifacts" / run / "artifacts"
    with (top / "huge.csv").open("wb") as file:
        file.truncate(LARGEST_ARTIFACT + 1)
    assert StoreReader(uri).artifact(run, "huge.csv") is None


def test_reading_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^tracking.uri: there is no MLflow store sqlite:///.*/no/mlflow.db; train first"
    ):
        StoreReader(f"sqlite:///{tmp_path}/no/mlflow.db")
    assert not list(tmp_path.iterdir())


def test_unknown_experiment_is_an_error_that_names_the_known(uri: str) -> None:
    with pytest.raises(
        InputError, match=r"^tracking.experiment: the store .* has no experiment 'bal'; choose one of .*lab"
    ):
        StoreReader(uri).runs("bal")


def test_store_that_is_away_is_an_error_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = StoreReader("http://me:secret@127.0.0.1:9")
    with pytest.raises(
        InputError, match=r"^tracking.uri: the MLflow store http://127.0.0.1:9 does not answer: "
    ) as caught:
        store.experiments()
    assert "secret" not in str(caught.value)


def test_file_that_is_no_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database")
    with pytest.raises(InputError, match=r"mlflow\.db must be an MLflow store, got a damaged file; move it away"):
        StoreReader(f"sqlite:///{tmp_path}/mlflow.db")
