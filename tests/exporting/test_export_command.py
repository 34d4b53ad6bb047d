"""The real command; and a model registered and served by MLflow, asked over HTTP."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from csam_lightning.commands.export import Wishes, export_model
from csam_lightning.data.images import read_grey, resize_grey
from csam_lightning.errors import InputError
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.model.ensemble_file import write_ensemble
from csam_lightning.registry.find import load_model
from csam_lightning.registry.registering import ModelName

Command = Callable[..., subprocess.CompletedProcess[str]]

NOTHING = Wishes(format=None, output=None, register=None, alias=None, scans=None, prevalence=None, sound=None)


@pytest.fixture
def file(ensemble: Ensemble, tmp_path: Path) -> str:
    write_ensemble(ensemble, tmp_path / "source.safetensors")
    return str(tmp_path / "source.safetensors")


def test_file_becomes_another_by_the_command(command: Command, file: str, scans: list[Path], tmp_path: Path) -> None:
    done = command("export", f"model={file}", f"output={tmp_path}/made/copy.safetensors", f"scans={scans[0].parent}")
    assert (done.returncode, done.stderr) == (0, "")
    described = "2 networks, resnet18, 32 px, classes A, B, C, temperature 2, class mix 0.5 0.25 0.25"
    assert done.stdout.splitlines() == [
        f"{tmp_path}/made/copy.safetensors  {described}",
        f"probabilities of {len(scans)} scans differ from the model's by at most 0",
    ]
    assert (tmp_path / "made" / "copy.safetensors").read_bytes() == Path(file).read_bytes()
    missing = command("export", f"model={file}")
    assert missing.returncode == 2
    assert missing.stderr == "error: output: there is nothing to do; give output=FILE or register=NAME\n"


def test_class_mix_is_kept_in_the_file(command: Command, file: str, scans: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "line.safetensors"
    settings = [f"model={file}", f"output={copy}", f"scans={scans[0].parent}"]
    done = command("export", *settings, "prevalence={A: 0.01, B: 0.01, C: 0.98}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "temperature 2, class mix 0.01 0.01 0.98\n" in done.stdout
    before, after = load_model(file).facts, load_model(str(copy)).facts
    assert after.prevalence == pytest.approx((0.01, 0.01, 0.98))
    odds = np.log([0.01 / 0.5, 0.01 / 0.25, 0.98 / 0.25])
    assert np.diff(after.bias) - np.diff(before.bias) == pytest.approx(np.diff(odds))
    copy.unlink()
    refused = command("export", *settings, "prevalence={A: 0.5}")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: prevalence: lacks class B, C; give a share for each class, of sum 1: ")
    assert not copy.exists()


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        (NOTHING._replace(output="model"), "output: model does not say its format; give format=onnx|pt2|safetensors"),
        (
            NOTHING._replace(output="m.onnx", format="pt2"),
            "output m.onnx: a file of the format pt2 ends in .pt2; name it",
        ),
        (NOTHING._replace(output="m.onnx"), "model .*: a file does not know the scans of its model; name a scan or"),
        (NOTHING._replace(register="n"), "register n: a file is of no run; name a run: model=RUN"),
        (
            NOTHING._replace(output="m.onnx", sound=1.0),
            "sound: must be at least 0 and below 1, got 1; give a probability",
        ),
        (
            NOTHING._replace(output="m.safetensors", scans=".", sound=0.4),
            "sound: must be left out for a model of the classes A, B, C, got 0.4; leave it out: only beside ",
        ),
        (NOTHING._replace(output="m.onnx", alias="a"), "alias: an alias is that of a registered model; give register="),
    ],
)
def test_wishes_that_make_no_sense_are_told_and_write_nothing(
    wishes: Wishes, told: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=f"^{told.replace('|', '[|]')}"):
        list(export_model(file, wishes, uri=None))
    assert sorted(tmp_path.iterdir()) == before


def test_names_that_the_registry_or_the_command_line_would_not_take_are_refused() -> None:
    for name in ("a/b", "a@b", "a:b", "", " a"):
        with pytest.raises(InputError, match=r"^register: '.*' names no model; give a name without / @ : and %"):
            ModelName(name, None).check()
    for alias in ("latest", "v7", "V1", "a/b", "a b", ""):
        with pytest.raises(InputError, match=r"^alias: '.*' is no alias; give letters, digits, _ and -, for example"):
            ModelName("delamination", alias).check()
    ModelName("Line 1, µm", "champion_2-b").check()


@contextmanager
def served(model: str, store: str, folder: Path) -> Iterator[str]:
    """Serve a model by MLflow's own command, and yield its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    programs = Path(sys.executable).parent
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = {"MLFLOW_TRACKING_URI": store, "PATH": f"{programs}:{os.environ['PATH']}"}
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, *options],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/ping", server, folder / "serve.log")
            yield address
        finally:
            os.killpg(server.pid, 15)
            server.wait(timeout=60)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"the model is not served:\n{log.read_text()}")


def ask(address: str, images: object) -> dict[str, np.ndarray]:
    body = json.dumps({"inputs": {"images": images}}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
        return {name: np.array(values) for name, values in json.load(answer)["predictions"].items()}


def check_kept(client: MlflowClient, result: dict[str, Any], folder: Path) -> None:
    run = result["run_id"]
    kept = {Path(entry.path).name for entry in client.list_artifacts(run, "model")}
    assert {"MLmodel", "model.onnx", "ensemble.safetensors", "model_card.md", "requirements.txt"} <= kept
    assert not [name for name in kept if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]
    assert client.get_run(run).info.status == "FINISHED"
    described = Model.load(Path(client.download_artifacts(run, "model/MLmodel", str(folder))))
    assert [spec.name for spec in described.signature.inputs] == ["images"]
    assert described.saved_input_example_info is not None
    version = client.get_model_version_by_alias("delamination", "champion")
    assert version.tags["data.fingerprint"] == result["data_fingerprint"]
    card = Path(client.download_artifacts(run, "model/model_card.md", str(folder))).read_text()
    assert version.description == card
    assert f"| accuracy | {result['mean']['val_accuracy']:.3f} ± {result['std']['val_accuracy']:.3f} |" in card
    assert f"| {result['out_of_fold']['accuracy']:.3f} | {result['test']['accuracy']:.3f} |" in card


@pytest.mark.server
def test_registered_model_is_served_by_mlflow_and_loaded_here(
    command: Command, work_folder: Path, scans_folder: Path, tmp_path: Path
) -> None:
    store = f"sqlite:///{work_folder}/mlflow.db"
    settings = ["data=folder", f"data.root={scans_folder}", "data.image_size=32", "data.num_folds=3"]
    settings += ["trainer.max_epochs=1", f"cache_dir={tmp_path}/cache"]
    assert command("train", *settings, "folds=[0,1]").returncode == 0
    result = json.loads(next(work_folder.glob("outputs/runs/*/result.json")).read_text())
    run = result["run_id"]
    done = command("export", f"model={run}", "register=delamination", "alias=champion")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("registered delamination/1 as delamination@champion: 2 networks, resnet18, 32 px")

    check_kept(MlflowClient(store), result, tmp_path)
    moved = command("export", f"model={run}", "register=delamination", "alias=candidate")
    assert moved.stdout.startswith("registered delamination/1 as delamination@candidate: ")

    model = load_model("delamination@champion", uri=store)
    images = [read_grey(scan) for scan in sorted((scans_folder / "images").iterdir())[:3]]
    resized = torch.from_numpy(np.stack([resize_grey(image, 32) for image in images]))[:, None]
    with served("models:/delamination@champion", store, tmp_path) as address:
        said = ask(address, [image.tolist() for image in images])
        np.testing.assert_allclose(said["probabilities"], model(resized).detach().numpy(), atol=1e-4)
        assert said["network_probabilities"].shape == (3, 2, 4)
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(address, "no scan")
        assert refused.value.code == 400

    assert command("train", *settings).returncode == 0  # the third fold, into the same run
    assert load_model("delamination@champion", uri=store).facts.folds == (0, 1)
    assert load_model(run, uri=store).facts.folds == (0, 1, 2)
    other = command("export", f"model={run}", "register=delamination")
    assert other.returncode == 2
    assert "it keeps a model of the folds 0, 1 that was registered before; train with force=true" in other.stderr
    again = command("export", "model=delamination@champion", "register=second", "output=model.pt2")
    assert again.returncode == 0, again.stderr
    assert re.search("^probabilities of 16 scans differ from the model's by at most ", again.stdout, re.MULTILINE)
    assert re.search("^registered second/1: 2 networks", again.stdout, re.MULTILINE)

    scans_folder.rename(tmp_path / "moved")
    gone = command("export", f"model={run}", "output=gone.pt2")
    assert gone.returncode == 2
    mend = "name a scan or a folder of scans to compare on: scans=DIR"
    assert gone.stderr == f"error: run {run}: its data set {scans_folder} is not there any more; {mend}\n"
    assert not (work_folder / "gone.pt2").exists()
    assert command("export", f"model={run}", "output=gone.pt2", f"scans={tmp_path}/moved").returncode == 0
