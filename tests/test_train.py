"""The real command line on tiny data."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from mlflow.tracking import MlflowClient
from PIL import Image
from sklearn import metrics

from csam_lightning.evaluation.operating_point import decide
from csam_lightning.evaluation.predictions import said_of_test_split
from csam_lightning.registry.find import load_model
from tests.conftest import heed_interrupts, tiny_table, wait_for_orphans, write_scans

Command = Callable[..., subprocess.CompletedProcess[str]]

FOLD_KEYS = {
    "fold",
    "run_id",
    "train_accuracy",
    "train_loss",
    "val_accuracy",
    "val_loss",
    "val_precision",
    "val_recall",
    "val_f1",
    "delta_accuracy",
    "delta_loss",
}


def small(scans: Path, cache: Path, *more: str) -> list[str]:
    settings = ["data=folder", f"data.root={scans}", "data.image_size=32", "data.num_folds=3", "trainer.max_epochs=2"]
    return [*settings, f"cache_dir={cache}", *more]


def results(work: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(work.glob("outputs/runs/*/result.json"))]


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what differs between equal runs: run ids and times."""
    folds = [{name: value for name, value in fold.items() if name != "run_id"} for fold in result["folds"]]
    kept = {
        name: value for name, value in result.items() if name not in {"run_id", "seconds", "train_images_per_second"}
    }
    return {**kept, "folds": folds}


def test_cell_from_scans_to_result_and_runs(command: Command, scans_folder: Path, tmp_path: Path) -> None:
    done = command("train", *small(scans_folder, tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    work = tmp_path / "work"
    [result] = results(work)
    assert result["cell"] == {
        "data_size": 24,
        "image_size": 32,
        "batch_size": 8,
        "protocol": "grouped",
        "seed": 0,
        "arch": "resnet18",
    }
    assert [set(fold) for fold in result["folds"]] == [FOLD_KEYS] * 3
    for fold in result["folds"]:
        assert fold["delta_accuracy"] == pytest.approx(fold["train_accuracy"] - fold["val_accuracy"])
        assert fold["delta_loss"] == pytest.approx(fold["train_loss"] - fold["val_loss"])
    accuracies = [fold["val_accuracy"] for fold in result["folds"]]
    assert result["mean"]["val_accuracy"] == pytest.approx(sum(accuracies) / 3)
    assert result["test"]["classes"] == ["A", "B", "C", "D"]
    assert [sum(row) for row in result["test"]["confusion_matrix"]] == [2, 2, 2, 2]
    assert sum(map(sum, result["out_of_fold"]["confusion_matrix"])) == 24
    [run] = sorted(work.glob("outputs/runs/*"))
    assert {file.name for file in run.iterdir()} >= {"config.yaml", "environment.txt", "figures", "folds.csv"}
    assert (run / "figures" / "reliability.png").is_file()
    with (run / "folds.csv").open() as table:
        assert {row["fold"] for row in csv.DictReader(table)} == {"0", "1", "2", "test"}
    for told in ("± sd", "Out of fold", "Test split: ensemble", "escape", str(run / "figures"), "mlflow ui"):
        assert told in done.stdout
    assert "fold 2 epoch 2/2" in done.stderr
    check_runs(work, result)
    check_numbers(work, run, result, scans_folder)


def check_runs(work: Path, result: dict[str, Any]) -> None:
    client = MlflowClient(f"sqlite:///{work}/mlflow.db")
    cell = client.get_run(result["run_id"])
    assert cell.info.status == "FINISHED"
    assert cell.info.run_name == "24 px32 b8"
    assert cell.data.params["data.image_size"] == "32"
    assert "trainer.cuda_graphs" not in cell.data.params  # as in runs from before there was that setting
    assert cell.data.tags["cell.id"] == result["cell_id"]
    assert cell.data.tags["data.fingerprint"] == result["data_fingerprint"]
    assert cell.data.metrics["val/accuracy"] == pytest.approx(result["mean"]["val_accuracy"])
    assert cell.data.metrics["val/accuracy_std"] == pytest.approx(result["std"]["val_accuracy"])
    assert cell.data.metrics["delta/loss"] == pytest.approx(result["mean"]["delta_loss"])
    assert cell.data.metrics["test/recall"] == pytest.approx(result["test"]["recall"])
    assert "sound" not in cell.data.params
    assert cell.data.metrics["sound"] == result["sound"] == result["calibrated"]["sound"]
    for side, name in product(("out_of_fold", "test"), ("escape", "overkill")):
        assert cell.data.metrics[f"{side}/{name}"] == pytest.approx(result["calibrated"][side][name]["value"])
    top = {file.path for file in client.list_artifacts(cell.info.run_id)}
    texts = {"config.yaml", "environment.txt", "result.json"}
    assert top == {*texts, "folds.csv", "scans.csv", "balance.csv", "predictions.csv", "figures", "examples"}
    for fold in result["folds"]:
        run = client.get_run(fold["run_id"])
        assert run.data.tags["mlflow.parentRunId"] == result["run_id"]
        assert run.data.metrics["delta/accuracy"] == pytest.approx(fold["delta_accuracy"])
        for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/precision", "val/recall"):
            assert [metric.step for metric in client.get_metric_history(fold["run_id"], name)][:2] == [1, 2]
        folders = {file.path for file in client.list_artifacts(fold["run_id"])}
        assert folders == {"checkpoints", "figures"}
        kept = {file.path for file in client.list_artifacts(fold["run_id"], "checkpoints")}
        assert kept == {"checkpoints/model.ckpt", "checkpoints/novelty.npz"}


def check_numbers(work: Path, run: Path, result: dict[str, Any], scans: Path) -> None:
    """Work every score out anew: from the checkpoints, the images and the fold table, by scikit-learn."""
    table = pd.read_csv(run / "folds.csv", dtype={"fold": str})
    pixels = np.stack([np.array(Image.open(scans / path)) for path in table["path"]])
    codes = table["label"].map("ABCD".index).to_numpy()
    test = (table["fold"] == "test").to_numpy()
    out_of_fold, ensemble, single = np.zeros((len(table), 4)), [], []
    for fold in result["folds"]:
        checkpoint = work / "outputs" / "cells" / result["cell_id"] / f"fold_{fold['fold']}" / "model.ckpt"
        validated = (table["fold"] == str(fold["fold"])).to_numpy()
        trained = ~validated & ~test
        probabilities = predict(checkpoint, pixels, seen=pixels[trained])
        out_of_fold[validated] = probabilities[validated]
        ensemble.append(probabilities[test])
        single.append(metrics.accuracy_score(codes[test], probabilities[test].argmax(axis=1)))
        for side, chosen in (("train", trained), ("val", validated)):
            right = metrics.accuracy_score(codes[chosen], probabilities[chosen].argmax(axis=1))
            assert fold[f"{side}_accuracy"] == pytest.approx(right)
            loss = metrics.log_loss(codes[chosen], probabilities[chosen], labels=range(4))
            assert fold[f"{side}_loss"] == pytest.approx(loss, rel=1e-4)
    for name, probabilities, chosen in (
        ("out_of_fold", out_of_fold[~test], ~test),
        ("test", np.mean(ensemble, axis=0), test),
    ):
        predicted = probabilities.argmax(axis=1)
        expected = metrics.confusion_matrix(codes[chosen], predicted, labels=range(4))
        assert result[name]["confusion_matrix"] == expected.tolist()
        assert result[name]["recall"] == pytest.approx(metrics.recall_score(codes[chosen], predicted, average="macro"))
    assert result["test_single_mean"]["accuracy"] == pytest.approx(np.mean(single))
    check_model(work, result, pixels[test], np.stack(ensemble))


def check_model(work: Path, result: dict[str, Any], pixels: np.ndarray, single: np.ndarray) -> None:
    """Take the model out of the store and compare it with what the checkpoints say of the test split."""
    store = f"sqlite:///{work}/mlflow.db"
    model = load_model(result["run_id"], uri=store)
    assert model.facts.classes == ("A", "B", "C", "D")
    assert (model.facts.image_size, model.facts.cell_id, model.facts.folds) == (32, result["cell_id"], (0, 1, 2))
    odds = single ** (1 / model.facts.temperature) * np.exp(model.facts.bias)
    calibrated = odds / odds.sum(axis=2, keepdims=True)
    judged = model.judge(torch.from_numpy(pixels).unsqueeze(1))
    np.testing.assert_allclose(judged.probabilities.numpy(), calibrated, atol=1e-5)
    assert judged.distances is not None
    assert model.held_out is not None
    right = model.held_out.log_probabilities.argmax(axis=1) == model.held_out.codes
    assert len(right) == 24
    assert right.mean() == pytest.approx(result["out_of_fold"]["accuracy"])
    table = pd.read_csv(work / "outputs" / "cells" / result["cell_id"] / "results" / "predictions.csv")
    said, codes = said_of_test_split(table.astype({"fold": str}), model.facts.classes, (0, 1, 2))
    np.testing.assert_allclose(np.exp(said), single, atol=1e-5)
    mean = table.loc[table["fold"] == "ensemble", ["p_A", "p_B", "p_C", "p_D"]].to_numpy()
    np.testing.assert_allclose(mean, single.mean(axis=0), atol=1e-5)
    assert (mean.argmax(axis=1) == codes).mean() == pytest.approx(result["test"]["accuracy"])
    given = decide(judged.probabilities.double().mean(dim=0).numpy(), model.facts.classes, model.facts.sound)
    expected = metrics.confusion_matrix(codes, given, labels=range(4)).tolist()
    assert result["calibrated"]["test"]["confusion_matrix"] == expected
    alone = load_model(result["folds"][1]["run_id"], uri=store)
    assert alone.facts.folds == (1,)
    assert alone.held_out is not None
    assert len(alone.held_out.codes) == 8
    torch.testing.assert_close(
        alone.networks[0](torch.from_numpy(pixels).unsqueeze(1)),
        model.networks[1](torch.from_numpy(pixels).unsqueeze(1)),
    )


def predict(checkpoint: Path, pixels: np.ndarray, *, seen: np.ndarray) -> np.ndarray:
    """Return probabilities of torchvision's own network with a checkpoint's weights, on standardised grey values."""
    network = torchvision.models.resnet18(num_classes=4)
    network.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    standardised = torch.from_numpy((pixels - seen.mean()) / seen.std()).float().unsqueeze(1)
    with torch.inference_mode():
        probabilities: np.ndarray = network.eval()(standardised).double().softmax(dim=1).numpy()
    return probabilities


def test_same_command_again_trains_nothing_and_says_the_same(
    command: Command, scans_folder: Path, tmp_path: Path
) -> None:
    settings = small(scans_folder, tmp_path / "cache")
    assert command("train", *settings, "folds=[1]").returncode == 0
    whole, again = (command("train", *settings) for _ in range(2))
    assert (whole.returncode, again.returncode) == (0, 0)
    assert "fold 1 epoch" not in whole.stderr
    assert "fold 0 epoch 2/2" in whole.stderr
    assert "epoch" not in again.stderr
    assert command("train", *settings, "folds=[0]").returncode == 0
    work = tmp_path / "work"
    one, first, second, zero = results(work)
    assert [fold["fold"] for fold in zero["folds"]] == [0]
    check_runs(work, first)  # one fold asked for anew has not displaced the whole cell
    assert first == second
    assert [fold["fold"] for fold in one["folds"]] == [1]
    assert one["std"]["val_accuracy"] is None
    assert one["run_id"] == first["run_id"]


def test_another_threshold_and_class_mix_train_nothing_and_reach_the_store(
    command: Command, scans_folder: Path, tmp_path: Path
) -> None:
    """The store's run, and so the model, has the threshold of the last run of the command."""
    settings = small(scans_folder, tmp_path / "cache", "folds=[0,1]", "trainer.max_epochs=1")
    assert command("train", *settings).returncode == 0
    mix = {"A": 0.1, "B": 0.1, "C": 0.1, "D": 0.7}
    again = command("train", *settings, "sound=0.9", f"prevalence={mix}".replace("'", ""))
    assert again.returncode == 0, again.stderr
    assert "epoch" not in again.stderr
    before, after = results(tmp_path / "work")
    assert "calibrated for the class mix A 10%, B 10%, C 10%, D 70%" in again.stdout
    assert {name for name, value in before.items() if value != after[name]} == {"sound", "prevalence", "calibrated"}
    assert after["calibrated"]["prevalence"] == pytest.approx(mix)
    assert (before["sound"], after["sound"], after["calibrated"]["sound"]) == (0.5, 0.9, 0.9)
    store = f"sqlite:///{tmp_path}/work/mlflow.db"
    facts = load_model(after["run_id"], uri=store).facts
    assert facts.sound == 0.9
    assert facts.prevalence == pytest.approx(list(mix.values()))
    assert facts.bias == pytest.approx(list(after["calibrated"]["bias"].values()))
    assert MlflowClient(store).get_run(after["run_id"]).data.metrics["sound"] == 0.9


def test_force_trains_anew_and_keeps_what_was(command: Command, scans_folder: Path, tmp_path: Path) -> None:
    settings = small(scans_folder, tmp_path / "cache", "trainer.max_epochs=1", "folds=[0]")
    assert command("train", *settings).returncode == 0
    forced = command("train", *settings, "force=true")
    assert forced.returncode == 0, forced.stderr
    assert "fold 0 epoch 1/1" in forced.stderr
    work = tmp_path / "work"
    first, second = results(work)
    assert timeless(first) == timeless(second)
    assert first["run_id"] != second["run_id"]
    client = MlflowClient(f"sqlite:///{work}/mlflow.db")
    assert {client.get_run(result["run_id"]).info.status for result in (first, second)} == {"FINISHED"}
    kept = json.loads(next(work.glob("outputs/cells/*/former/0/results/result.json")).read_text())
    assert kept["run_id"] == first["run_id"]


def test_published_protocol_keeps_copies_apart(command: Command, tmp_path: Path) -> None:
    table = tiny_table(packages=12, test_packages=0)
    table.loc[table["package_id"].isin(["p00", "p04"]), "label"] = "D"
    scans = write_scans(tmp_path / "scans", table)
    done = command("train", *small(scans, tmp_path / "cache", "data.protocol=published", "trainer.max_epochs=1"))
    assert done.returncode == 0, done.stderr
    [result] = results(tmp_path / "work")
    assert result["test"] is None
    assert result["calibrated"] is None
    assert "Not calibrated, without escape and overkill: under the published protocol" in done.stdout
    assert set(result["folds"][0]) > FOLD_KEYS | {"val_accuracy_with_copies"}
    [listed] = (tmp_path / "work").glob("outputs/runs/*/folds.csv")
    with listed.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {row["copy"] for row in rows} > {"0"}
    originals = sum(row["copy"] == "0" for row in rows)
    assert sum(map(sum, result["out_of_fold"]["confusion_matrix"])) == originals < 24
    assert not [*(tmp_path / "work").glob("outputs/runs/*/figures/reliability.png")]
    model = load_model(result["run_id"], uri=f"sqlite:///{tmp_path}/work/mlflow.db")
    assert (model.facts.protocol, model.held_out, model.novelty) == ("published", None, None)


def test_tree_of_class_named_folders(command: Command, tmp_path: Path) -> None:
    table = tiny_table(test_packages=0)
    table["path"] = [f"{label}/{Path(path).name}" for label, path in zip(table["label"], table["path"], strict=True)]
    scans = write_scans(tmp_path / "scans", table, manifest=False)
    settings = small(scans, tmp_path / "cache", "trainer.max_epochs=1", "folds=[0]")
    refused = command("train", *settings)
    assert refused.returncode == 2
    assert "data.package_pattern" in refused.stderr.splitlines()[-1]
    done = command("train", *settings, "data.package_pattern='^(p[0-9]+)'")
    assert done.returncode == 0, done.stderr
    [result] = results(tmp_path / "work")
    assert result["cell"]["data_size"] == 24


def test_store_that_is_away_ends_no_training(command: Command, scans_folder: Path, tmp_path: Path) -> None:
    settings = small(scans_folder, tmp_path / "cache", "folds=[0]", "trainer.max_epochs=1")
    (tmp_path / "blocked").write_text("")
    uri = f"sqlite:///{tmp_path}/blocked/mlflow.db"
    away = command("train", *settings, MLFLOW_TRACKING_URI=uri)
    assert away.returncode == 0, away.stderr
    assert "Training goes on" in away.stderr
    [result] = results(tmp_path / "work")
    assert result["run_id"] is None
    (tmp_path / "blocked").unlink()
    other = command("train", *settings, "seed=1", MLFLOW_TRACKING_URI=uri)
    assert other.returncode == 0, other.stderr
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], filter_string=f"tags.`cell.id` = '{result['cell_id']}'")
    assert sorted(run.info.status for run in found) == ["FINISHED", "FINISHED"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["data=folder"], "data.root"),
        (["data=folder", "data.root=nowhere"], "nowhere"),
        (["data.colour=red"], "Key 'colour' is not in struct"),
        (["data=tape"], "Could not find 'data/tape'"),
        (["data.image_size=big"], "data.image_size: input should be a valid integer"),
        (["tracking.uri=mlruns"], "tracking.uri: 'mlruns' is no address of an MLflow store"),
        (["data.size==4"], "data.size"),
        (["+data.foo=1"], "data.foo: there is no such setting; --cfg job shows all settings and their values"),
        (["data.package_pattern=^(p[0-9]+)"], "quote it twice: 'SETTING=\"VALUE\"'"),
        (["data.root=scans"], "data.root: scans makes no sense here; give data=folder besides"),
    ],
)
def test_bad_configuration_ends_with_one_line_and_status_2(
    arguments: list[str], line: str, command: Command, tmp_path: Path
) -> None:
    done = command("train", *arguments)
    assert done.returncode == 2
    [told] = done.stderr.splitlines()
    assert told.startswith("error: ")
    assert line in told
    assert not list(tmp_path.glob("work/outputs/runs/*"))


def test_folder_that_cannot_be_written_ends_with_one_line_and_status_2(
    command: Command, scans_folder: Path, tmp_path: Path
) -> None:
    done = command("train", *small(scans_folder, tmp_path / "cache", "output_dir=/proc/nowhere"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: /proc/nowhere")
    assert "Traceback" not in done.stderr


def test_cell_taken_up_after_an_interruption_gives_the_same_numbers(
    command: Command, scans_folder: Path, tmp_path: Path
) -> None:
    settings = small(scans_folder, tmp_path / "cache", "trainer.max_epochs=3", "trainer.processes=1")
    work = tmp_path / "work"
    interrupted = subprocess.Popen(
        [sys.executable, "-m", "csam_lightning.train", *settings],
        cwd=work,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads are running here
    )
    assert interrupted.stderr is not None
    for line in interrupted.stderr:
        if line.startswith("fold 1 epoch 2"):
            break
    interrupted.send_signal(signal.SIGTERM)
    rest = interrupted.stderr.read()
    assert interrupted.wait(timeout=60) == 130
    assert "Traceback" not in rest
    assert rest.splitlines()[-1].startswith("error: interrupted: run the same command again")
    wait_for_orphans(work)
    resumed = command("train", *settings)
    assert resumed.returncode == 0, resumed.stderr
    assert "fold 0 epoch" not in resumed.stderr
    assert "fold 1 epoch 1/" not in resumed.stderr
    shutil.rmtree(work / "outputs" / "cells")
    assert command("train", *settings).returncode == 0
    taken_up, undisturbed = results(work)
    assert timeless(taken_up) == timeless(undisturbed)


def test_help_lists_groups_and_settings(command: Command) -> None:
    done = command("train", "--help")
    assert done.returncode == 0
    assert "data: folder, simulated" in done.stdout
    assert "trainer.max_epochs=20 " in done.stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["prevalence={A:0.5,B:0.3,D:0.2}"], "error: prevalence: lacks class C; give a share for each class, of sum 1"),
        (
            ["prevalence={A:0.1,B:0.1,C:0.1,D:0.7}", "data.protocol=published"],
            "error: prevalence: must be left out with data.protocol=published, whose models are not calibrated",
        ),
    ],
)
def test_class_mix_that_does_not_fit_is_refused_before_training(
    settings: list[str], message: str, command: Command, scans_folder: Path, tmp_path: Path
) -> None:
    refused = command("train", *small(scans_folder, tmp_path / "cache", *settings))
    assert refused.returncode == 2
    assert refused.stderr.startswith(message)
    assert "epoch" not in refused.stderr
