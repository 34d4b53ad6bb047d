"""A tracking server on a real PostgreSQL, used by several machines, killed while they train, and started again."""

import http.client
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csam_lightning.errors import InputError
from csam_lightning.tracking.store import open_store
from csam_lightning.tracking_server.postgresql import answering_database, cluster_running, find_programs
from tests.conftest import heed_interrupts

Command = Callable[..., subprocess.CompletedProcess[str]]


def missing() -> str | None:
    try:
        find_programs(Path("none"))
    except InputError as error:
        return str(error)
    return None if importlib.util.find_spec("psycopg2") else "the Python package psycopg2 is missing"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user who runs PostgreSQL for root may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name) / "server"


class Server:
    """``python -m csam_lightning.server`` in a folder, once it answers."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        settings = [f"folder={folder}", f"port={port}", "names=[node1]", "workers=1"]
        command = [sys.executable, "-m", "csam_lightning.server", *settings]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder.parent,
            env={**os.environ, "TMPDIR": str(folder.parent)},  # what a power cut leaves there goes with it
            preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads are running here
        )
        assert self.process.stdout is not None
        self.last = next((line.strip() for line in self.process.stdout if line.startswith("export ")), "")

    def kill(self) -> None:
        """End it and its PostgreSQL as a power cut would, without a chance to clean up."""
        postmaster = int((self.folder / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def stop(self) -> str:
        """Press Ctrl-C and return what it says then."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=60)
        return said


@pytest.fixture
def start(folder: Path, port: int) -> Iterator[Callable[[], Server]]:
    started = []

    def start_one() -> Server:
        started.append(Server(folder, port))
        return started[-1]

    yield start_one
    for server in started:
        if server.process.poll() is None:
            server.stop()


def train(folder: Path, uri: str, *settings: str) -> subprocess.Popen[str]:
    """Start a training in ``folder``, which stands for a machine."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "csam_lightning.train", *settings],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def status_of_request(port: int, *, host: str, origin: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"max_results": 1})
    headers = {"Host": host, "Origin": origin, "Content-Type": "application/json"}
    connection.request("POST", "/api/2.0/mlflow/experiments/search", body=body, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.server
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_runs_of_several_machines_outlive_their_server(
    start: Callable[[], Server], port: int, command: Command, scans_folder: Path, tmp_path: Path
) -> None:
    uri = f"http://node1:{port}"
    server = start()
    assert server.last == f"export MLFLOW_TRACKING_URI={uri}"
    assert status_of_request(port, host=f"node1:{port}", origin=uri) == 200
    assert status_of_request(port, host="evil.example", origin="") == 403
    assert status_of_request(port, host=f"node1:{port}", origin="http://evil.example") == 403
    second = command("server", f"folder={server.folder}", "port=1")
    assert second.returncode == 2
    assert second.stderr.splitlines()[-1] == (
        f"error: {server.folder}: another server is running on it; use that one, or name another folder: folder=DIR"
    )

    uri = f"http://127.0.0.1:{port}"
    small = ["data.image_size=32", "data.num_folds=3", "folds=[0]", f"cache_dir={tmp_path}/cache"]
    cell = ["data=folder", f"data.root={scans_folder}", *small]
    machines = [tmp_path / "one", tmp_path / "two"]
    at_once = [
        train(machine, uri, *cell, "trainer.max_epochs=1", f"seed={seed}") for seed, machine in enumerate(machines)
    ]
    for process in at_once:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert "MLflow store" not in said

    sweep = train(machines[0], uri, *cell, "trainer.max_epochs=5", "seed=2,3", "-m")
    assert sweep.stderr is not None
    reader = threading.Timer(300, sweep.kill)
    reader.start()
    assert any("fold 0 epoch 2/5" in line for line in sweep.stderr)
    server.kill()
    shown, said = sweep.communicate()
    reader.cancel()
    assert sweep.returncode == 0, said
    assert "fold 0 epoch 5/5" in said
    assert "Training goes on; results are kept in" in said
    assert len(list(machines[0].glob("outputs/cells/*/tracking/*.pending.json"))) == 2, shown

    server = start()
    again = train(machines[0], uri, *cell, "trainer.max_epochs=1", "seed=0")
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert "epoch 1/1" not in said
    check_all_is_there(uri, machines, tmp_path / "sent")
    assert len(list((server.folder / "artifacts").rglob("checkpoints/model.ckpt"))) == 4
    assert server.stop().startswith("stopped: ")
    assert server.process.returncode == 0
    assert not (server.folder / "postgresql" / "data" / "postmaster.pid").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port))


@pytest.mark.server
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_database_of_the_user_s_is_taken_if_it_answers(folder: Path) -> None:
    folder.mkdir()
    with cluster_running(folder / "postgresql") as (own, _):
        place = own.partition("://")[2]
        assert answering_database(f"postgresql://{place}") == f"postgresql+psycopg2://{place}"
        with pytest.raises(
            InputError, match=r'^store: .* does not answer: .* database "runs" does not exist; mend the'
        ):
            answering_database(f"postgresql://{place.replace('/postgres?', '/runs?')}")


@pytest.mark.server
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_folder_that_postgresql_cannot_enter_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(InputError) as caught, cluster_running(tmp_path / "postgresql"):
        pytest.fail("it runs")
    assert str(caught.value).startswith(f"{tmp_path}/postgresql: initdb: error: could not access directory")
    assert str(caught.value).endswith("for root PostgreSQL runs as the user postgres, who must be able to enter it")
    assert not list(tmp_path.iterdir())


def check_all_is_there(uri: str, machines: list[Path], scratch: Path) -> None:
    """Compare what the server has with what the machines kept of it."""
    client = open_store(uri)
    assert {found.name for found in client.search_experiments()} == {"Default", "csam_lightning"}
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id]))
    assert {run.info.status for run in found} == {"FINISHED"}
    assert len(found) == 1 + 4 + 4
    cells = [cell for machine in machines for cell in machine.glob("outputs/cells/*")]
    assert len(cells) == 4
    for folder in cells:
        [cell] = [run for run in found if run.data.tags.get("cell.id") == folder.name and "fold" not in run.data.tags]
        [fold] = [run for run in found if run.data.tags.get("mlflow.parentRunId") == cell.info.run_id]
        kept = json.loads((folder / "results" / "result.json").read_text())
        assert cell.data.metrics["val/accuracy"] == kept["mean"]["val_accuracy"]
        history = client.get_metric_history(fold.info.run_id, "val/loss")
        epochs = [past["val/loss"] for past in json.loads((folder / "fold_0" / "history.json").read_text())]
        assert [metric.value for metric in sorted(history, key=lambda metric: metric.step)] == epochs
        sent = Path(client.download_artifacts(cell.info.run_id, "", str(scratch)))
        assert contents(sent) == contents(folder / "results")
        shutil.rmtree(sent)
        assert {file.path for file in client.list_artifacts(fold.info.run_id)} == {"checkpoints", "figures"}


def contents(folder: Path) -> dict[Path, bytes]:
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
