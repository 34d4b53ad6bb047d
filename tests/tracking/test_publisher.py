import errno
import io
import json
import logging
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.tracking import MlflowClient

from csam_lightning.cells.locks import cell_locked
from csam_lightning.cells.settling import settle
from csam_lightning.errors import InputError
from csam_lightning.tracking.publisher import Publisher
from csam_lightning.tracking.reading import StoreReader
from csam_lightning.tracking.record import CellRecord, DatasetRecord, FoldRecord
from csam_lightning.tracking.runs import close
from csam_lightning.tracking.store import (
    ask_database,
    experiment_id,
    hide_password,
    open_store,
    sqlite_file,
    store_uri,
    without_password,
)
from csam_lightning.tracking.sweep_run import SweepRun

ROOT = Path(__file__).parents[2]
EPOCHS = [
    {"train/loss": 1.0, "val/loss": 1.2, "seconds": 2.0, "ended": 1_700_000_000.0},
    {"train/loss": 0.5, "val/loss": 0.9, "seconds": 2.0, "ended": 1_700_000_002.0},
]


def zipped(text: str) -> bytes:
    """Return a checkpoint, as far as tracking knows one: a zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr(zipfile.ZipInfo("weights"), text)
    return file.getvalue()


def record(folds: list[FoldRecord] | None = None) -> CellRecord:
    dataset = DatasetRecord("scans", "f00d", "somewhere", {"class A": 3})
    params = {f"setting{number}": str(number) for number in range(230)}
    return CellRecord(
        "840 px100 b8", params, {"cell.id": "abc"}, dataset, folds or [FoldRecord(0, []), FoldRecord(1, [])]
    )


def finished(tmp_path: Path) -> CellRecord:
    figure, model = tmp_path / "curves.png", tmp_path / "model.ckpt"
    figure.write_bytes(b"png")
    model.write_bytes(zipped("weights"))
    folds = [
        FoldRecord(number, EPOCHS, {"delta/loss": 0.1 * number}, {model: "checkpoints"}, finished=True)
        for number in (0, 1)
    ]
    return replace(
        record(folds),
        metrics={"val/loss": 0.9, "val/loss_std": float("nan")},
        artifacts={figure: "figures"},
        finished=True,
    )


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store/mlflow.db"


def runs(uri: str) -> dict[str, list[Any]]:
    client = open_store(uri)
    experiment = client.get_experiment_by_name("lab")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return {
        "cells": [run for run in found if "mlflow.parentRunId" not in run.data.tags],
        "folds": sorted(
            (run for run in found if "mlflow.parentRunId" in run.data.tags), key=lambda run: run.data.tags["fold"]
        ),
    }


def fold_ids(uri: str) -> list[str]:
    return [run.info.run_id for run in runs(uri)["folds"]]


def test_cell_asks_the_store_for_no_runs_but_its_own(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        assert Publisher(tmp_path / f"earlier{number}", uri=uri, experiment="lab").publish(finished(tmp_path))
    ask = MlflowClient.search_runs
    answers: list[str] = []

    def noted(client: MlflowClient, *arguments: Any, **settings: Any) -> Any:
        found = ask(client, *arguments, **settings)
        answers.extend(run.info.run_id for run in found)
        return found

    monkeypatch.setattr(MlflowClient, "search_runs", noted)
    publisher = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert publisher.publish(finished(tmp_path))
    assert set(answers) == {publisher.run_id, *publisher.fold_run_ids.values()}


def test_whole_cell_becomes_a_run_with_its_folds_below(uri: str, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert publisher.publish(finished(tmp_path))
    found = runs(uri)
    [cell] = found["cells"]
    assert cell.info.run_name == "840 px100 b8"
    assert cell.info.status == "FINISHED"
    assert cell.info.run_id == publisher.run_id
    assert len(cell.data.params) == 230
    assert cell.data.metrics == {"val/loss": 0.9}
    assert cell.data.tags["cell.id"] == "abc"
    assert [run.data.tags["level"] for run in [cell, *found["folds"]]] == ["cell", "fold", "fold"]
    assert cell.inputs.dataset_inputs[0].dataset.digest == "f00d"
    assert [run.info.run_name for run in found["folds"]] == ["840 px100 b8 · fold 0", "840 px100 b8 · fold 1"]
    assert {run.data.tags["mlflow.parentRunId"] for run in found["folds"]} == {cell.info.run_id}
    assert [run.info.run_id for run in found["folds"]] == list(publisher.fold_run_ids.values())
    client = open_store(uri)
    history = client.get_metric_history(found["folds"][0].info.run_id, "val/loss")
    assert [(metric.step, metric.value, metric.timestamp) for metric in history] == [
        (1, 1.2, 1_700_000_000_000),
        (2, 0.9, 1_700_000_002_000),
    ]
    assert "seconds" not in found["folds"][0].data.metrics
    assert [file.path for file in client.list_artifacts(cell.info.run_id)] == ["figures"]
    assert (tmp_path / "store" / "mlartifacts" / cell.info.run_id / "artifacts" / "figures" / "curves.png").is_file()


def test_checkpoints_take_their_bytes_once_where_the_store_is_on_their_disk(uri: str, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert publisher.publish(finished(tmp_path))
    kept, artifacts = tmp_path / "model.ckpt", tmp_path / "store" / "mlartifacts"
    for run in fold_ids(uri):
        assert (artifacts / run / "artifacts" / "checkpoints" / "model.ckpt").samefile(kept)
    figure = artifacts / str(publisher.run_id) / "artifacts" / "figures" / "curves.png"
    assert not figure.samefile(tmp_path / "curves.png"), "figures may be edited"


def test_checkpoints_are_copied_to_another_disk(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refused)
    publisher = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert publisher.publish(finished(tmp_path))
    for run in fold_ids(uri):
        copied = tmp_path / "store" / "mlartifacts" / run / "artifacts" / "checkpoints" / "model.ckpt"
        assert copied.read_bytes() == zipped("weights")
        assert not copied.samefile(tmp_path / "model.ckpt")


def test_checkpoint_sent_again_takes_the_place_of_the_one_before(uri: str, tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    whole = finished(tmp_path)
    assert publisher.publish(whole)
    newer = tmp_path / "newer" / "model.ckpt"
    newer.parent.mkdir()
    newer.write_bytes(zipped("new weights"))
    run = fold_ids(uri)[0]
    close(open_store(uri), run, {}, {newer: "checkpoints"})
    sent = tmp_path / "store" / "mlartifacts" / run / "artifacts" / "checkpoints" / "model.ckpt"
    assert sent.read_bytes() == zipped("new weights")
    assert (tmp_path / "model.ckpt").read_bytes() == zipped("weights")


def test_each_thing_is_sent_once_also_by_another_process(uri: str, tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    Publisher(folder, uri=uri, experiment="lab").publish(record())
    half = record([FoldRecord(0, EPOCHS[:1]), FoldRecord(1, [])])
    Publisher(folder, uri=uri, experiment="lab").publish(half)
    for _ in range(2):
        Publisher(folder, uri=uri, experiment="lab").publish(finished(tmp_path))
    found = runs(uri)
    assert (len(found["cells"]), len(found["folds"])) == (1, 2)
    history = open_store(uri).get_metric_history(found["folds"][0].info.run_id, "train/loss")
    assert [metric.step for metric in history] == [1, 2]


def test_interrupted_runs_are_shown_as_killed_and_running_when_taken_up(uri: str, tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    publisher = Publisher(folder, uri=uri, experiment="lab")
    one_done = record([replace(finished(tmp_path).folds[0], artifacts={}), FoldRecord(1, EPOCHS[:1])])
    publisher.publish(one_done)
    publisher.end("KILLED")
    found = runs(uri)
    assert [run.info.status for run in found["cells"] + found["folds"]] == ["KILLED", "FINISHED", "KILLED"]
    Publisher(folder, uri=uri, experiment="lab").reopen()
    found = runs(uri)
    assert [run.info.status for run in found["cells"] + found["folds"]] == ["RUNNING", "FINISHED", "RUNNING"]


def test_run_that_the_user_deleted_is_made_anew(uri: str, tmp_path: Path) -> None:
    first = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    first.publish(finished(tmp_path))
    open_store(uri).delete_run(str(first.run_id))
    again = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert again.publish(finished(tmp_path))
    assert again.run_id != first.run_id
    assert [run.info.run_id for run in runs(uri)["cells"]] == [again.run_id]


def test_experiment_that_the_user_deleted_is_restored(uri: str, tmp_path: Path) -> None:
    Publisher(tmp_path / "one", uri=uri, experiment="lab").publish(record())
    client = open_store(uri)
    experiment = client.get_experiment_by_name("lab")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    assert Publisher(tmp_path / "two", uri=uri, experiment="lab").publish(record())


def test_store_that_is_away_stops_nothing_and_gets_everything_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "store"
    blocked.write_text("a file where the store's folder should be")
    uri = f"sqlite:///{blocked}/mlflow.db"
    publisher = Publisher(tmp_path / "cells" / "abc", uri=uri, experiment="lab")
    with caplog.at_level(logging.WARNING):
        assert not publisher.publish(record())
        assert not publisher.publish(finished(tmp_path))
    [warning] = [entry.getMessage() for entry in caplog.records]
    assert "Training goes on; results are kept in" in warning
    assert publisher.run_id is None
    blocked.unlink()
    settle(cells=tmp_path / "cells", grids=tmp_path / "grids", uri=uri)
    assert [run.info.status for run in runs(uri)["cells"]] == ["FINISHED"]
    assert runs(uri)["folds"][0].data.metrics["val/loss"] == 0.9
    assert not list((tmp_path / "cells").glob("*/tracking/*.pending.json"))


def test_run_that_the_store_made_twice_without_answering_is_one(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = MlflowClient.create_run

    def make_twice_unheard(*arguments: Any, **named: Any) -> None:
        make(*arguments, **named)
        make(*arguments, **named)
        raise ConnectionError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "create_run", make_twice_unheard)
        assert not Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(finished(tmp_path))
    assert len(runs(uri)["cells"]) == 2
    assert Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(finished(tmp_path))
    assert [run.info.status for run in runs(uri)["cells"]] == ["FINISHED"]
    assert [run.info.status for run in runs(uri)["folds"]] == ["FINISHED", "FINISHED"]


def test_data_set_that_several_processes_log_at_once_is_no_trouble(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Publisher(tmp_path / "one", uri=uri, experiment="lab").publish(record())
    log_inputs, asked = MlflowClient.log_inputs, []

    def refuse_the_first(*arguments: Any, **named: Any) -> None:
        asked.append(named)
        if len(asked) == 1:
            raise MlflowException("(psycopg2.errors.UniqueViolation) dataset_pk", error_code=BAD_REQUEST)
        log_inputs(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_inputs", refuse_the_first)
    assert Publisher(tmp_path / "two", uri=uri, experiment="lab").publish(record())
    assert not caplog.records
    assert [len(cell.inputs.dataset_inputs) for cell in runs(uri)["cells"]] == [1, 1]


def test_after_a_failure_an_impatient_publisher_does_not_ask_again_at_once(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    publisher = Publisher(tmp_path / "cell", uri=f"sqlite:///{blocked}/mlflow.db", experiment="lab")
    assert not publisher.publish(record())
    blocked.unlink()
    blocked.mkdir()
    assert not publisher.publish(record(), patient=False)
    assert not list(blocked.iterdir())
    assert publisher.publish(record())


def test_record_that_lost_a_file_holds_up_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = finished(tmp_path)
    (tmp_path / "blocked").write_text("")
    away = f"sqlite:///{tmp_path}/blocked/mlflow.db"
    for cell in ("aaa", "bbb"):
        folder = tmp_path / "cells" / cell
        own = replace(made, name=cell, artifacts={tmp_path / f"{cell}.png": "figures"})
        assert not Publisher(folder, uri=away, experiment="lab").publish(own)
    (tmp_path / "bbb.png").write_bytes(b"png")
    (tmp_path / "blocked").unlink()
    settle(cells=tmp_path / "cells", grids=tmp_path / "grids", uri=away)
    assert {run.info.run_name: run.info.status for run in runs(away)["cells"]} == {"aaa": "FINISHED", "bbb": "FINISHED"}
    assert "aaa.png is gone and not sent to MLflow" in caplog.text
    assert not list((tmp_path / "cells").glob("*/tracking/*.pending.json"))


def test_closed_run_grows_with_its_folds_and_never_shrinks(uri: str, tmp_path: Path) -> None:
    whole = finished(tmp_path)
    part = replace(whole, folds=whole.folds[:1], metrics={"val/loss": 5.0})
    for record_, loss in ((part, 5.0), (whole, 0.9), (part, 0.9)):
        Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(record_)
        [cell] = runs(uri)["cells"]
        assert cell.data.metrics == {"val/loss": loss}
        assert cell.info.status == "FINISHED"


def test_closed_run_takes_other_metrics_of_the_same_folds_once(uri: str, tmp_path: Path) -> None:
    """As a rerun with another ``sound`` makes them."""
    whole = finished(tmp_path)
    other = replace(whole, metrics={**whole.metrics, "out_of_fold/escape": 0.1})
    for record_ in (whole, other, other):
        Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(record_)
    [cell] = runs(uri)["cells"]
    assert cell.data.metrics == {"val/loss": 0.9, "out_of_fold/escape": 0.1}
    assert cell.info.status == "FINISHED"
    history = open_store(uri).get_metric_history(cell.info.run_id, "val/loss")
    assert len({point.timestamp for point in history}) == 2


def test_cell_that_another_process_holds_is_not_sent_meanwhile(uri: str, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the store's folder should be")
    folder = tmp_path / "cells" / "abc"
    Publisher(folder, uri=uri, experiment="lab").publish(record())
    (tmp_path / "store").unlink()
    with cell_locked(folder):
        settle(cells=tmp_path / "cells", grids=tmp_path / "grids", uri=uri)
    assert list(folder.glob("tracking/*.pending.json"))


def test_database_that_is_away_is_asked_once_and_not_for_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patient(*_: object) -> None:
        pytest.fail("MLflow was let try, which it does for minutes")

    monkeypatch.setattr("mlflow.tracking.MlflowClient", patient)
    (tmp_path / "mlflow.db").mkdir()
    assert not Publisher(tmp_path / "cell", uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="lab").publish(record())


def test_record_survives_json(tmp_path: Path) -> None:
    made = replace(finished(tmp_path), metrics={"val/loss": 1.0})
    assert CellRecord.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_relative_store_is_one_place_wherever_it_is_used_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_uri(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert store_uri("sqlite:///deep/my.db") == f"sqlite:///{tmp_path}/deep/my.db"
    assert store_uri("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


@pytest.mark.parametrize("name", ["why?", "a#b", "100%", "a%3Fb", "q?x=1", "a&b=c", "Prüf ling"])
@pytest.mark.parametrize("given", [None, "sqlite:///{folder}/ex?plicit.db", "sqlite:///ex?plicit.db?timeout=30"])
def test_a_store_in_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str | None
) -> None:
    if given and "{" in given and "%" in name:
        pytest.skip("in an address that the user gives, % begins an escape")
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    uri = store_uri(given and given.format(folder=folder))
    assert store_uri(uri) == uri
    file = folder / ("ex?plicit.db" if given else "mlflow.db")
    assert sqlite_file(uri) == file
    ask_database(uri)
    assert [entry.name for entry in folder.iterdir()] == [file.name]


def test_runs_and_artifacts_lie_in_a_folder_with_a_question_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "why? 100%"
    folder.mkdir()
    monkeypatch.chdir(folder)
    uri = store_uri(None)
    client = open_store(uri)
    run = client.create_run(experiment_id(client, uri, "mine"))
    (tmp_path / "note.txt").write_text("note")
    client.log_artifact(run.info.run_id, str(tmp_path / "note.txt"))
    assert sorted(entry.name for entry in folder.iterdir()) == ["mlartifacts", "mlflow.db", "mlflow.db.lock"]
    assert (folder / "mlartifacts" / run.info.run_id / "artifacts" / "note.txt").read_text() == "note"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["note.txt", "why? 100%"]


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "ftp://host", "/abs/mlruns"])
def test_address_of_no_store_is_an_error(uri: str) -> None:
    with pytest.raises(InputError, match=r"tracking.uri: '.*' is no address of an MLflow store; give a server \(http"):
        store_uri(uri)


def test_password_is_not_shown() -> None:
    assert without_password("postgresql+psycopg2://me:secret@db:5432/ml") == "postgresql+psycopg2://db:5432/ml"
    assert without_password("sqlite:////tmp/a@b.db") == "sqlite:////tmp/a@b.db"


def test_password_is_not_told_in_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = "http://me:secret@127.0.0.1:9"
    assert not Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(record())
    assert "Training goes on" in caplog.text
    assert "secret" not in caplog.text
    assert hide_password("no secret at http://me:secret@host", "http://me:secret@host") == "no *** at http://host"
    assert hide_password("bad abc at http://abc@host", "http://abc@host") == "bad *** at http://host"
    assert hide_password("no role a at db", "postgresql://a@db/runs") == "no role a at db"


def test_processes_that_start_at_once_share_one_new_store(uri: str) -> None:
    script = (
        "import sys; from pathlib import Path; from csam_lightning.tracking.store import open_store, experiment_id\n"
        "print(experiment_id(open_store(sys.argv[1]), sys.argv[1], 'lab'))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script, uri], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    ids = {process.communicate(timeout=120)[0].strip() for process in started}
    assert len(ids) == 1
    assert all(process.returncode == 0 for process in started)
    assert isinstance(open_store(uri), MlflowClient)


def test_interruption_while_the_store_is_made_leaves_no_half_store(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore.search_experiments", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_store(uri)
    assert [file.name for file in (tmp_path / "store").iterdir()] == ["mlflow.db.lock"]
    assert Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(record())


def test_damaged_checkpoint_is_not_sent_and_its_run_not_finished(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = finished(tmp_path)
    model = tmp_path / "model.ckpt"
    model.write_bytes(bytes(len(zipped("weights"))))
    publisher = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert publisher.publish(made)
    assert caplog.messages.count(f"{model} is damaged and not sent to MLflow: train its fold again") == 2
    assert [run.info.status for kind in runs(uri).values() for run in kind] == ["RUNNING"] * 3
    publisher.end("KILLED")
    model.write_bytes(zipped("weights"))
    assert publisher.publish(made)
    assert [run.info.status for kind in runs(uri).values() for run in kind] == ["FINISHED"] * 3


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(bytes(80)), Path.unlink], ids=["zeros", "gone"])
def test_damaged_copy_in_the_store_is_sent_again(
    damage: Callable[[Path], object], uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next start of the command compares the store's copies with the cell's own files."""
    kept, other = finished(tmp_path), tmp_path / "cell"
    publisher = Publisher(other, uri=uri, experiment="lab")
    assert publisher.publish(kept)
    copy = Path(runs(uri)["folds"][1].info.artifact_uri.removeprefix("file://")) / "checkpoints" / "model.ckpt"
    whole = copy.read_bytes()
    copy.unlink()  # a link to the cell's own file
    copy.write_bytes(whole)
    damage(copy)
    again = Publisher(other, uri=uri, experiment="lab")
    assert again.publish(kept)
    assert copy.read_bytes() == whole
    assert caplog.messages == ["the MLflow store's copy of fold 1 is damaged or gone; it is sent again"]
    assert {run.info.status for run in [*runs(uri)["cells"], *runs(uri)["folds"]]} == {"FINISHED"}
    assert again.fold_run_ids == publisher.fold_run_ids
    caplog.clear()
    assert Publisher(other, uri=uri, experiment="lab").publish(kept)
    assert not caplog.messages


@pytest.mark.parametrize("damage", ["empty", "zeros", "garbage", "half", "another"])
def test_damaged_store_is_named_with_what_to_do(
    damage: str, uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading it is bad input; training goes on."""
    kept = finished(tmp_path)
    publisher = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert publisher.publish(kept)
    file = sqlite_file(uri)
    assert file is not None
    content = file.read_bytes()
    if damage == "another":
        file.unlink()
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE notes (text)")
            other.commit()
    else:
        damaged = {"empty": b"", "zeros": bytes(len(content)), "garbage": b"x" * 5000, "half": content[: 3 * 4096]}
        file.write_bytes(damaged[damage])
    line = (
        f"tracking.uri: {file} must be an MLflow store, got a damaged file; move it away and run the training command "
        "again: finished cells are recorded in a new store"
    )
    with pytest.raises(InputError) as error:
        StoreReader(uri)
    assert str(error.value) == line
    again = Publisher(tmp_path / "cell", uri=uri, experiment="lab")
    assert not again.publish(kept)
    assert line in caplog.messages[0]


def test_new_store_in_the_place_of_a_damaged_one_gets_everything(uri: str, tmp_path: Path) -> None:
    """In another process: this one's MLflow keeps the first store open."""
    assert Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(finished(tmp_path))
    file = sqlite_file(uri)
    assert file is not None
    file.unlink()
    script = (
        "import sys, pathlib; from tests.tracking.test_publisher import *; folder = pathlib.Path(sys.argv[2])\n"
        "assert Publisher(folder / 'cell', uri=sys.argv[1], experiment='lab').publish(finished(folder))\n"
        "print(*[run.info.status for level in runs(sys.argv[1]).values() for run in level])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, uri, tmp_path], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["FINISHED"] * 3


def test_fold_trained_again_takes_the_place_of_what_was_sent(uri: str, tmp_path: Path) -> None:
    whole = finished(tmp_path)
    assert Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(whole)
    (tmp_path / "model.ckpt").rename(tmp_path / "model.ckpt.damaged-1")
    (tmp_path / "model.ckpt").write_bytes(zipped("trained again"))
    later = [*EPOCHS[:1], {**EPOCHS[1], "ended": EPOCHS[1]["ended"] + 100}]
    folds = [replace(whole.folds[0], history=later, metrics={"delta/loss": 7.0}), whole.folds[1]]
    again = replace(whole, folds=folds, metrics={"val/loss": 0.8})
    assert Publisher(tmp_path / "cell", uri=uri, experiment="lab").publish(again)
    found = runs(uri)
    assert [run.data.metrics["delta/loss"] for run in found["folds"]] == [7.0, 0.1]
    assert found["cells"][0].data.metrics["val/loss"] == 0.8
    assert {run.info.status for kind in found.values() for run in kind} == {"FINISHED"}
    artifacts = tmp_path / "store" / "mlartifacts"
    sent = artifacts / fold_ids(uri)[0] / "artifacts" / "checkpoints" / "model.ckpt"
    assert sent.read_bytes() == zipped("trained again")


@pytest.mark.parametrize(
    "damage",
    ["", "[]", "null", '{"run_id"', '{"open": true, "run_id": 5}', '{"open": true, "folds": {"0": {}}}', "\0\0\0"],
)
def test_damaged_note_of_what_was_sent_makes_new_runs_and_stops_no_other_cell(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    cells = tmp_path / "cells"
    for cell in ("aaa", "bbb"):
        assert Publisher(cells / cell, uri=uri, experiment="lab").publish(record())
    [sent] = (cells / "aaa").glob("tracking/*.sent.json")
    sent.write_text(damage)
    settle(cells=cells, grids=tmp_path / "grids", uri=uri)
    [line] = caplog.messages
    assert line.startswith(f"{sent} is damaged (")
    assert line.endswith(f"): set aside as {sent.name}.damaged-1")
    assert sorted(run.info.status for run in runs(uri)["cells"]) == ["KILLED", "RUNNING"]
    assert Publisher(cells / "aaa", uri=uri, experiment="lab").publish(finished(tmp_path))
    assert len(runs(uri)["cells"]) == 3


@pytest.mark.parametrize("damage", ["", '{"experiment": "lab", "sweep": null, "record": {"folds": [5]}}'])
def test_damaged_results_that_were_kept_stop_no_other_cell(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    (tmp_path / "store").write_text("a file where the store's folder should be")
    cells = tmp_path / "cells"
    for cell in ("aaa", "bbb"):
        assert not Publisher(cells / cell, uri=uri, experiment="lab").publish(finished(tmp_path))
    (tmp_path / "store").unlink()
    [pending] = (cells / "aaa").glob("tracking/*.pending.json")
    pending.write_text(damage)
    settle(cells=cells, grids=tmp_path / "grids", uri=uri)
    assert f"set aside as {pending.name}.damaged-1" in caplog.text
    assert [run.info.status for run in runs(uri)["cells"]] == ["FINISHED"]


def test_damaged_note_of_a_sweep_s_run_stops_nothing(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grids = tmp_path / "grids"
    (grids / "0123").mkdir(parents=True)
    sweep = SweepRun(grids / "0123", uri=uri, experiment="lab")
    sweep.describe("grid", {}, {})
    sweep.begin()
    [state] = (grids / "0123").glob("*.run.json")
    state.write_text('{"open": true}')
    settle(cells=tmp_path / "cells", grids=grids, uri=uri)
    assert f"set aside as {state.name}.damaged-1" in caplog.text
    (grids / "0123" / "sweep.json").write_text("")
    assert sweep.run_id(open_store(uri))
