import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow.tracking import MlflowClient

from csam_lightning.errors import InputError
from csam_lightning.evaluation.calibration import fit_calibration
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.model.ensemble_file import write_ensemble
from csam_lightning.model.novelty import NoveltyStatistics
from csam_lightning.registry.find import ARTIFACT, load_model
from csam_lightning.tracking.store import experiment_id
from csam_lightning.training.checkpoints import write_checkpoint
from tests.model.test_ensemble import FACTS, network, scans

RESULT: dict[str, Any] = {
    "cell": {"image_size": 32, "arch": "resnet18"},
    "cell_id": "c0",
    "data_fingerprint": "f0",
    "out_of_fold": {"classes": ["A", "B", "C"]},
}


class Lab:
    """A store in which runs are made by plain MLflow calls."""

    def __init__(self, file: Path) -> None:
        self.uri = f"sqlite:///{file}"
        self.client = MlflowClient(self.uri)
        self.experiment = experiment_id(self.client, self.uri, "lab")

    def run(self, *, parent: str | None = None, status: str = "FINISHED", **tags: str) -> str:
        above = {} if parent is None else {"mlflow.parentRunId": parent}
        made = str(self.client.create_run(self.experiment, tags={**tags, **above}).info.run_id)
        if status != "RUNNING":
            self.client.set_terminated(made, status=status)
        return made

    def refuses(self, model: str, what: str, mend: str) -> None:
        with pytest.raises(InputError) as error:
            load_model(model, uri=self.uri)
        assert "\n" not in str(error.value)
        assert (error.value.what, error.value.mend) == (what, mend)


@pytest.fixture
def lab(tmp_path: Path, empty_store: Path) -> Lab:
    return Lab(Path(shutil.copy(empty_store, tmp_path / "mlflow.db")))


def test_registered_model_is_the_file_that_its_run_keeps_and_a_file_needs_no_store(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / Path(ARTIFACT).name
    facts = replace(FACTS, folds=(0,))
    write_ensemble(Ensemble([network(0)], facts), file)
    cell = lab.run(level="cell")
    lab.client.log_artifact(cell, str(file), str(Path(ARTIFACT).parent))
    lab.client.create_registered_model("delamination")
    lab.client.create_model_version("delamination", f"runs:/{cell}/model", run_id=cell)
    lab.client.set_registered_model_alias("delamination", "line-1", "1")
    for name in ("delamination@line-1", "models:/delamination/1", cell):
        assert load_model(name, uri=lab.uri).facts == facts
    assert load_model(str(file), uri="sqlite:///nowhere.db").facts == facts
    file.write_bytes(b"damaged")
    lab.client.log_artifact(cell, str(file), str(Path(ARTIFACT).parent))
    with pytest.raises(InputError, match=rf"^model .*{cell}.*{ARTIFACT}: is no model of this program; export the"):
        load_model(cell, uri=lab.uri)
    look = "look at its models in the MLflow UI"
    lab.refuses("delamination@line-2", "the store has no such registered model", look)
    lab.refuses("delamination/2", "the store has no such registered model", look)
    lab.refuses("nothing@line-1", "the store has no such registered model", look)


def test_what_is_no_model_is_said(lab: Lab, tmp_path: Path) -> None:
    forms = "give a run's id, NAME@ALIAS or NAME/VERSION of a registered model, or a file"
    for name in ("model.safetensors", str(tmp_path), "../x@y@z", "a/b/1"):
        lab.refuses(name, "no such file, and no run or registered model is named like that", forms)
    absent = "0" * 32
    lab.refuses(absent, f"the store has no run {absent}", "take the id from result.json or the MLflow UI")
    deleted = lab.run(level="cell")
    lab.client.delete_run(deleted)
    lab.refuses(deleted, f"the store has no run {deleted}", "take the id from result.json or the MLflow UI")
    name = "name the run of a cell or of a fold"
    lab.refuses(lab.run(level="sweep"), "the run is a sweep's", name)
    lab.refuses(lab.run(), "the run was not made by this program's training", name)
    for status in ("RUNNING", "FAILED", "KILLED"):
        what = f"the run is not finished ({status.lower()})"
        lab.refuses(lab.run(level="cell", status=status), what, "train it to its end first")
    lost = "train the cell to its end, or name another run"
    for run in (lab.run(level="cell"), lab.run(level="fold", fold="0"), lab.run(level="fold", fold="../0")):
        lab.refuses(run, "its cell has no results in the store", lost)


def test_cell_of_an_older_version_is_a_model_that_knows_less(lab: Lab, tmp_path: Path) -> None:
    cell = lab.run(level="cell")
    fold = lab.run(level="fold", fold="2", parent=cell)
    lab.run(level="fold", fold="3", parent=cell, status="KILLED")
    trained = network(0)
    write_checkpoint(
        {"state_dict": trained.state_dict(), "hyper_parameters": {**trained.hparams, "epoch": 1}},
        tmp_path / "model.ckpt",
    )
    lab.client.log_artifact(fold, str(tmp_path / "model.ckpt"), "checkpoints")
    lab.client.log_text(cell, json.dumps(RESULT), "result.json")
    model = load_model(cell, uri=lab.uri)
    assert (model.facts.folds, model.facts.temperature, model.facts.sample_bits) == ((2,), 1.0, None)
    assert (model.held_out, model.novelty) == (None, None)
    with torch.inference_mode():
        torch.testing.assert_close(model(scans(2)), trained.eval()(scans(2)).softmax(dim=1))


PREDICTIONS = """path,package_id,label,split,fold,p_A,p_B,p_C
a.png,007,A,train,2,0.7,0.2,0.1
b.png,007,A,train,2,0.6,0.3,0.1
c.png,8,B,train,2,0.5,0.4,0.1
d.png,9,C,train,2,0.6,0.2,0.2
"""


@pytest.mark.parametrize("protocol", ["grouped", "published"])
def test_model_is_calibrated_on_its_held_out_scans_unless_packages_were_shared(
    protocol: str, lab: Lab, tmp_path: Path
) -> None:
    cell = lab.run(level="cell")
    fold = lab.run(level="fold", fold="2", parent=cell)
    trained, none = network(0), np.zeros(4, dtype=np.float32)
    statistics = NoveltyStatistics(np.zeros(768, dtype=np.float32), np.eye(768, dtype=np.float32), none)
    content = {"state_dict": trained.state_dict(), "hyper_parameters": {**trained.hparams, "epoch": 1}}
    write_checkpoint(content, tmp_path / "model.ckpt")
    statistics.write(tmp_path / "novelty.npz")
    for file in ("model.ckpt", "novelty.npz"):
        lab.client.log_artifact(fold, str(tmp_path / file), "checkpoints")
    lab.client.log_text(cell, json.dumps({**RESULT, "cell": {**RESULT["cell"], "protocol": protocol}}), "result.json")
    lab.client.log_text(cell, PREDICTIONS, "predictions.csv")
    model = load_model(cell, uri=lab.uri)
    facts = model.facts
    assert facts.protocol == protocol
    if protocol == "published":
        assert (model.held_out, model.novelty) == (None, None)
        assert (facts.temperature, facts.bias, facts.prevalence) == (1.0, (0, 0, 0), None)
        return
    assert model.novelty is not None
    assert model.held_out is not None
    assert model.held_out.packages is not None
    assert model.held_out.packages.tolist() == [0, 0, 1, 2]
    expected = fit_calibration(model.held_out.log_probabilities, np.array([0, 0, 1, 2]))
    assert (facts.temperature, facts.bias) == (expected.temperature, expected.bias)
    assert facts.prevalence == (0.5, 0.25, 0.25)


def test_packages_that_are_unknown_stay_unknown(lab: Lab, tmp_path: Path) -> None:
    cell = lab.run(level="cell")
    fold = lab.run(level="fold", fold="2", parent=cell)
    trained = network(0)
    content = {"state_dict": trained.state_dict(), "hyper_parameters": {**trained.hparams, "epoch": 1}}
    write_checkpoint(content, tmp_path / "model.ckpt")
    lab.client.log_artifact(fold, str(tmp_path / "model.ckpt"), "checkpoints")
    lab.client.log_text(cell, json.dumps(RESULT), "result.json")
    lab.client.log_text(cell, PREDICTIONS.replace(",8,", ",,"), "predictions.csv")
    model = load_model(cell, uri=lab.uri)
    assert model.held_out is not None
    assert model.held_out.packages is None
    assert model.facts.protocol is None


def test_cell_whose_files_are_gone_or_damaged_is_said(lab: Lab) -> None:
    cell = lab.run(level="cell")
    fold = lab.run(level="fold", fold="0", parent=cell)
    lab.client.log_text(cell, json.dumps(RESULT), "result.json")
    lab.refuses(cell, f"run {fold} of its fold 0 has no checkpoint", "train the cell again")
    lab.client.log_text(fold, "no checkpoint", "checkpoints/model.ckpt")
    again = "train the cell again, or take another run"
    for name, content in (
        ("checkpoints/model.ckpt", "no checkpoint"),
        ("predictions.csv", "path,label\n"),
        ("result.json", '{"cell": 7}'),
        ("result.json", json.dumps({**RESULT, "cell": {"image_size": -1, "arch": "resnet18"}})),
    ):
        lab.client.log_text(fold if "/" in name else cell, content, name)
        with pytest.raises(InputError, match="cannot be read") as error:
            load_model(fold, uri=lab.uri)
        assert error.value.where.endswith(Path(name).name)
        assert error.value.mend == again
        assert "\n" not in str(error.value)


def test_one_turned_bit_of_a_network_is_noticed(lab: Lab, tmp_path: Path) -> None:
    cell = lab.run(level="cell")
    fold = lab.run(level="fold", fold="0", parent=cell)
    lab.client.log_text(cell, json.dumps(RESULT), "result.json")
    trained, file = network(0), tmp_path / "model.ckpt"
    write_checkpoint({"state_dict": trained.state_dict(), "hyper_parameters": {**trained.hparams, "epoch": 1}}, file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    lab.client.log_artifact(fold, str(file), "checkpoints")
    lab.refuses(cell, "cannot be read (damaged: its checksums do not fit)", "train the cell again, or take another run")


def test_store_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^tracking.uri: there is no MLflow store .*; train first, or name the store"):
        load_model("0" * 32, uri=f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(InputError, match=r"^tracking.uri: the MLflow store .* does not answer: .*; start it, or name"):
        load_model("delamination@line-1", uri="http://127.0.0.1:9")
