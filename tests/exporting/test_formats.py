import io
import json
import pickletools
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from csam_lightning.data.images import read_grey, resize_grey
from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.exporting import onnx_file
from csam_lightning.exporting.check import TOLERANCE, write_checked
from csam_lightning.exporting.formats import FORMATS, Format, read_exported
from csam_lightning.exporting.onnx_file import onnx_predictor, read_onnx, write_onnx
from csam_lightning.exporting.pt2_file import pickled_members
from csam_lightning.exporting.scans import MOST, scans_in
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.model.ensemble_file import KEY, named_tensors
from tests.model.test_ensemble import FACTS, network

USING = Path(__file__).parents[2] / "docs" / "using.md"


def written_before(form: Format, exported: Path) -> Format:
    """The format, writing by copying what was written before."""
    whole = (exported / f"model{form.suffix}").read_bytes()

    def write(_: Ensemble, path: Path) -> None:
        path.write_bytes(whole)

    return replace(form, write=write)


def expected(ensemble: Ensemble, scan: Path) -> np.ndarray:
    image = torch.from_numpy(resize_grey(read_grey(scan, sample_bits=FACTS.sample_bits), FACTS.image_size).copy())
    return ensemble.judge(image[None, None]).probabilities.mean(dim=0)[0].numpy()


def test_files_say_of_scans_of_any_size_and_number_what_the_model_says(
    ensemble: Ensemble, exported: Path, scans: list[Path], tmp_path: Path
) -> None:
    for name in ("onnx", "pt2"):
        file = tmp_path / f"copy{FORMATS[name].suffix}"
        assert write_checked(ensemble, written_before(FORMATS[name], exported), file, scans) < 1e-6
    predict = FORMATS["onnx"].predictor(tmp_path / "copy.onnx")
    for scan in scans:
        said = predict(read_grey(scan, sample_bits=FACTS.sample_bits)[np.newaxis])
        np.testing.assert_allclose(said["probabilities"][0], expected(ensemble, scan), atol=1e-6)
        assert (said["network_probabilities"].shape, said["distances"].shape) == ((1, 2, 3), (1, 2))


@pytest.mark.parametrize("name", ["onnx", "pt2"])
def test_whole_model_comes_back_bit_for_bit(name: str, ensemble: Ensemble, exported: Path) -> None:
    back = read_exported(exported / f"model{FORMATS[name].suffix}")
    assert back.facts == FACTS
    ours, theirs = dict(named_tensors(ensemble)), dict(named_tensors(back))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert back.networks[1].hparams["pixel_mean"] == 101.0  # type: ignore[index]


def test_metadata_tell_what_a_user_of_the_file_must_know(exported: Path) -> None:
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    told = session.get_modelmeta().custom_metadata_map
    with ZipFile(exported / "model.pt2") as archive:
        extra = {
            name.partition("/extra/")[2]: archive.read(name).decode()
            for name in archive.namelist()
            if "/extra/" in name
        }
    for name, value in (
        ("classes", ["A", "B", "C"]),
        ("image_size", 32),
        ("temperature", 2.0),
        ("data_fingerprint", "f0"),
        ("cell_id", "c0"),
        ("folds", [0, 3]),
        ("sample_bits", 12),
        ("version", "0.1.0"),
    ):
        assert json.loads(told[name]) == json.loads(extra[name]) == value
    assert [axis if isinstance(axis, str) else "" for axis in session.get_inputs()[0].shape] == [
        "scans",
        "height",
        "width",
    ]


def test_pt2_file_holds_no_pickle_and_one_that_does_is_told(exported: Path, tmp_path: Path) -> None:
    assert pickled_members(exported / "model.pt2") == []
    with ZipFile(exported / "model.pt2") as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if content.startswith((b"\x80", b"PK")):  # as weights may by chance
                with pytest.raises(ValueError, match=r"."):
                    list(pickletools.genops(content))
    pickled = torch.export.export(torch.nn.ReLU(), (torch.zeros(2),))
    torch.export.save(pickled, tmp_path / "inputs.pt2")
    assert pickled_members(tmp_path / "inputs.pt2") == ["inputs/data/sample_inputs/model.pt"]


def off_by(shift: float, exported: Path) -> Callable[[Ensemble, Path], None]:
    """Writes an ONNX file whose first network leans towards a class."""

    def write(_: Ensemble, path: Path) -> None:
        model = onnx.load(exported / "model.onnx")
        for tensor in model.graph.initializer:
            if tensor.name == "ensemble.networks.0.network.fc.bias":
                values = onnx.numpy_helper.to_array(tensor) + np.array([shift, 0, 0], dtype=np.float32)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        path.write_bytes(model.SerializeToString())

    return write


def test_file_that_differs_does_not_appear_and_it_is_said_by_how_much(
    ensemble: Ensemble, exported: Path, scans: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / "out" / "model.onnx"
    with pytest.raises(RunFailedError) as error:
        write_checked(ensemble, replace(FORMATS["onnx"], write=off_by(0.2, exported)), file, scans[:2])
    assert list(file.parent.iterdir()) == []
    said = re.fullmatch(
        rf"{file} was not written: of 2 scans its probabilities differ from the model's by up to (\S+) and its "
        r"distances by up to \S+ of them, more than 0.0001; write another format",
        str(error.value),
    )
    assert said is not None
    # At temperature 2 a logit raised by 0.2 moves a probability by at most tanh(0.2 / 2 / 4).
    assert TOLERANCE < float(said[1]) <= np.tanh(0.2 / 2 / 4)
    written = write_checked(ensemble, replace(FORMATS["onnx"], write=off_by(1e-5, exported)), file, scans[:2])
    assert 1e-7 < written < TOLERANCE
    assert file.is_file()


def test_file_that_says_no_number_or_leaves_out_an_output_does_not_appear(
    ensemble: Ensemble, exported: Path, scans: list[Path], tmp_path: Path
) -> None:
    for form in (
        replace(FORMATS["onnx"], write=off_by(np.nan, exported)),
        replace(written_before(FORMATS["onnx"], exported), predictor=lambda _: lambda _: {}),
    ):
        with pytest.raises(RunFailedError, match="was not written"):
            write_checked(ensemble, form, tmp_path / "model.onnx", scans[:1])
        assert not (tmp_path / "model.onnx").exists()


def test_damaged_and_foreign_files_are_refused_in_one_line(exported: Path, tmp_path: Path) -> None:
    def refused(name: str, content: bytes, what: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=what) as error:
            read_exported(tmp_path / name)
        assert str(error.value).startswith(f"model {tmp_path / name}: ")
        assert "\n" not in str(error.value)

    for name in ("model.onnx", "model.pt2"):
        whole = (exported / name).read_bytes()
        refused(name, b"", "is no model of this program; export the model anew")
        refused(name, b"\x80\x04\x95 a pickle", "is no model of this program")
        refused(name, whole[: len(whole) // 2], "is no model of this program")
    refused("model.bin", b"", "is no exported model; name a file that ends in .onnx, .pt2, .safetensors")
    refused("model.onnx", onnx.ModelProto(ir_version=8).SerializeToString(), "is no model of this program")
    with ZipFile(tmp_path / "bomb", "w", compression=ZIP_DEFLATED) as bomb:
        bomb.writestr("model/data/weights/weight_0", b"0" * 10**7)
    refused("model.pt2", (tmp_path / "bomb").read_bytes(), "is no model of this program")
    deep = onnx.load(exported / "model.onnx", load_external_data=False)
    onnx.helper.set_model_props(deep, {KEY: "[" * 100_000})
    refused("model.onnx", deep.SerializeToString(), "is no model of this program")
    off_by(0.5, exported)(Ensemble([], FACTS), tmp_path / "off.onnx")
    refused("off.onnx", (tmp_path / "off.onnx").read_bytes(), "is damaged: its checksum differs")
    outside = onnx.load(exported / "model.onnx")
    tensor = next(entry for entry in outside.graph.initializer if entry.name.endswith("0.network.fc.bias"))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    refused("model.onnx", outside.SerializeToString(), "is no model of this program")


def test_what_onnx_cannot_do_here_is_told(
    ensemble: Ensemble, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.onnx"
    monkeypatch.setattr(onnx_file, "LARGEST", 10_000_000)
    with pytest.raises(InputError, match=r"^format onnx: the model is too large; take format=pt2 or safetensors$"):
        write_onnx(ensemble, file)
    mend = r"pip install 'csam-lightning\[export\]', or take format=pt2 or safetensors"
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for attempt in (
        lambda: write_onnx(ensemble, file),
        lambda: read_onnx(exported / "model.onnx"),
        lambda: onnx_predictor(exported / "model.onnx"),
    ):
        with pytest.raises(InputError, match=rf"^format onnx: there is no Python package \w+ here; {mend}$"):
            attempt()
    assert not file.exists()


def test_model_of_an_older_version_knows_no_distances(scans: list[Path], tmp_path: Path) -> None:
    old = Ensemble([network(0)], replace(FACTS, folds=(2,)))
    write_checked(old, FORMATS["pt2"], tmp_path / "old.pt2", scans)
    back = read_exported(tmp_path / "old.pt2")
    assert (back.facts.folds, back.novelty, back.held_out) == ((2,), None, None)


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2"])
def test_ten_lines_without_this_program_predict(
    name: str,
    ensemble: Ensemble,
    exported: Path,
    scans: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = re.findall(r"```python\n(.*?)```", USING.read_text(), re.DOTALL)
    [code] = [example for example in examples if f'"{name}"' in example]
    assert "csam_lightning" not in code
    assert ("torch" in code) == (name == "model.pt2")
    shutil.copy(scans[3], scans[3].parent / "scan.png")
    shutil.copy(exported / name, scans[3].parent)
    monkeypatch.chdir(scans[3].parent)
    with redirect_stdout(io.StringIO()) as printed:
        exec(code, {})  # noqa: S102 - our own documentation
    said = dict(re.findall(r"(\w+) ([0-9.]+)", printed.getvalue()))
    assert list(said) == ["A", "B", "C"]
    np.testing.assert_allclose([float(value) for value in said.values()], expected(ensemble, scans[3]), atol=1e-3)


def test_scans_to_compare_on_are_found_by_file_folder_and_manifest(scans_folder: Path, tmp_path: Path) -> None:
    listed = sorted((scans_folder / "images").iterdir())
    assert scans_in(listed[0]) == [listed[0]]
    for source in (scans_folder, scans_folder / "manifest.csv", scans_folder / "images"):
        assert sorted(scans_in(source)) == listed
    many = tmp_path / "many"
    many.mkdir()
    for number in range(3 * MOST):
        (many / f"{number:03}.png").touch()
    assert len(set(scans_in(many))) == MOST
    with pytest.raises(InputError, match=r"^scans .*nowhere: no such file or folder; name a scan or a folder of scans"):
        scans_in(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^scans .*empty: holds no image; name a folder with files .png, .tif"):
        scans_in(tmp_path / "empty")
