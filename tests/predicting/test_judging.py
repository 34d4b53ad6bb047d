from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from csam_lightning.data.colour_rule import USUAL
from csam_lightning.data.images import read_grey, resize_grey
from csam_lightning.data.palette import to_grey
from csam_lightning.errors import InputError
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.predicting.judging import judge_scans, region_probabilities, uncertainty
from csam_lightning.predicting.maps import explain_scans, questions
from csam_lightning.predicting.review import ReviewRule
from csam_lightning.predicting.scans import AHEAD, Scan, ahead
from tests.conftest import CLASSES
from tests.data.test_colours import luma, painted, scan
from tests.trays.drawing import SPECTRUM

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIKE = ReviewRule(strange=0)


def test_verdicts_are_the_networks_mean_in_order_and_the_unreadable_are_told(
    ensemble: Ensemble, familiar: Path, tmp_path: Path
) -> None:
    files = sorted((familiar / "images").iterdir())[:5]
    (tmp_path / "bad.png").write_bytes(b"no image")
    scans = [Scan(file.name, file, "p1") for file in files]
    scans[2:2] = [
        Scan("bad.png", tmp_path / "bad.png"),
        Scan("lost", InputError("is lost", where="row 2", mend="look")),
    ]
    judged = list(judge_scans(ensemble, iter(scans), ReviewRule(), batch_size=3))
    assert [one.verdict.path for one in judged] == [scan.path for scan in scans]
    images = np.stack([read_grey(file) for file in files])
    with torch.inference_mode():
        logits = np.stack([part(torch.from_numpy(images[:, None])).double().numpy() for part in ensemble.networks])
    odds = np.exp(logits / 2.0)
    expected = (odds / odds.sum(axis=2, keepdims=True)).mean(axis=0)
    readable = [one for one in judged if one.prepared]
    np.testing.assert_allclose([one.verdict.probabilities for one in readable], expected, atol=1e-5)
    assert [one.verdict.predicted for one in readable] == [CLASSES[code] for code in expected.argmax(axis=1)]
    bad, lost = judged[2].verdict, judged[3].verdict
    assert (bad.error, lost.error) == ("is no image; save it as PNG, TIFF, BMP, JPEG", "is lost; look")
    for verdict in (bad, lost):
        assert (verdict.predicted, verdict.probabilities, verdict.needs_review) == ("", (), True)
        assert verdict.reason == "it cannot be read"
    [same] = judge_scans(ensemble, [Scan("array", images[0])], ReviewRule())
    np.testing.assert_allclose(same.verdict.probabilities, readable[0].verdict.probabilities, atol=1e-5)


def test_scans_of_another_kind_are_told(ensemble: Ensemble, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    kinds: dict[str, tuple[NDArray[Any], str]] = {
        "colour.png": (noise, "it is in colour"),
        "grey_as_colour.png": (np.repeat(noise[..., :1], 3, axis=2), ""),
        "blank.png": (np.full((40, 40), 7, np.uint8), "it is of one grey value throughout"),
        "small.png": (noise[:15, :20, 0], "it measures 20x15 pixels, the model looks at 32x32"),
        "deep.png": (noise[..., 0].astype(np.uint16) * 256, "it has 16 bits, the model's scans had 8"),
        "usual.png": (noise[..., 0], ""),
    }
    for name, (pixels, _) in kinds.items():
        Image.fromarray(pixels).save(tmp_path / name)
    kinds["pages.tif"] = (noise[..., 0], "its file has 2 pages, of which the first was judged")
    first, second = Image.fromarray(noise[..., 0]), Image.fromarray(noise[..., 1])
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second])
    judged = judge_scans(ensemble, [Scan(name, tmp_path / name) for name in kinds], ALIKE)
    found = {one.verdict.path: one for one in judged}
    for name, (_, oddity) in kinds.items():
        verdict, prepared = found[name].verdict, found[name].prepared
        assert prepared is not None
        assert prepared.oddities == ((oddity,) if oddity else ())
        assert verdict.strange == bool(oddity)
        assert verdict.reason.startswith(oddity)
    assert found["colour.png"].prepared.thumbnail.shape == (40, 60)  # type: ignore[union-attr]


def test_marks_and_false_colour_are_read_as_the_model_learned(ensemble: Ensemble, tmp_path: Path) -> None:
    for name, pixels in (("marked.png", painted((255, 0, 0))), ("false.png", SPECTRUM[luma(scan()) // 29])):
        Image.fromarray(pixels).save(tmp_path / name)
    scans = [Scan(name, tmp_path / name) for name in ("marked.png", "false.png")]
    old = [one.verdict.reason.split(";")[0].split(" over")[0] for one in judge_scans(ensemble, scans, ALIKE)]
    assert old == ["marks painted", "it is in colour"]
    usual = Ensemble(list(ensemble.networks), replace(ensemble.facts, overlay="inpaint", palette=None))  # type: ignore[arg-type]
    marked, false = judge_scans(usual, scans, ALIKE)
    assert marked.prepared is not None
    assert "of it were filled from the grey around" in marked.verdict.reason
    assert marked.verdict.needs_review
    assert np.array_equal(marked.prepared.image, resize_grey(read_grey(tmp_path / "marked.png", colours=USUAL), 32))
    assert false.prepared is None
    assert false.verdict.needs_review
    assert false.verdict.error == "is in false colour; export it in grey"
    names = tuple(f"#{bytes(colour.tolist()).hex()}" for colour in SPECTRUM)
    knowing = Ensemble(list(ensemble.networks), replace(ensemble.facts, palette=names))  # type: ignore[arg-type]
    [judged] = judge_scans(knowing, scans[1:], ALIKE)
    assert judged.prepared is not None
    assert judged.prepared.oddities == ()
    assert np.array_equal(judged.prepared.image, resize_grey(to_grey(SPECTRUM[luma(scan()) // 29], SPECTRUM), 32))


def test_what_the_model_does_not_know_looks_strange(ensemble: Ensemble, familiar: Path) -> None:
    white = np.full((32, 32), 255, dtype=np.uint8)
    known = read_grey(min((familiar / "images").iterdir()))
    rule = ReviewRule(strange=0.05, kind=False)
    odd, usual = judge_scans(ensemble, [Scan("white", white), Scan("known", known)], rule)
    assert odd.verdict.novelty == pytest.approx(1 / 81)  # stranger than all 2 x 40 held-out scans
    assert odd.verdict.reason.startswith("it looks unlike the scans that the model knows (p = 0.012)")
    assert odd.verdict.strange
    assert not usual.verdict.strange


def test_scans_are_taken_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = ahead(lambda number: number * number, endless())
    assert [next(results) for _ in range(3)] == [1, 4, 9]
    assert taken <= AHEAD + 3
    results.close()  # type: ignore[attr-defined] # a generator


def test_uncertainty_is_the_entropy_as_a_share_of_the_greatest() -> None:
    assert uncertainty(np.array([1.0, 0, 0, 0])) == 0
    assert uncertainty(np.full(4, 0.25)) == pytest.approx(1)
    assert uncertainty(np.array([0.5, 0.5, 0, 0])) == pytest.approx(0.5)
    assert uncertainty(np.array([0.5, 0.5])) == pytest.approx(1)


def test_regions_add_up_their_classes_in_any_order() -> None:
    assert region_probabilities("DCBA", (0.4, 0.3, 0.2, 0.1)) == pytest.approx({"die_pad": 0.4, "bond_pad": 0.5})
    assert region_probabilities(("A", "B", "C"), (0.2, 0.3, 0.5)) == {}


@pytest.mark.parametrize(
    ("classes", "probabilities", "asked"),
    [
        ("ABCD", (0.7, 0.1, 0.1, 0.1), ["AD"]),
        ("ABCD", (0.2, 0.6, 0.1, 0.1), ["BD"]),
        ("ABCD", (0.3, 0.1, 0.5, 0.1), ["AD", "BD"]),
        ("ABCD", (0.1, 0.2, 0.0, 0.7), ["BD"]),
        ("DCBA", (0.7, 0.2, 0.1, 0.0), ["CD"]),
        ("XYZ", (0.2, 0.5, 0.3), ["YZ"]),
    ],
)
def test_a_verdict_asks_for_what_could_be_delaminated(
    classes: str, probabilities: tuple[float, ...], asked: list[str]
) -> None:
    assert [classes[code] + classes[against] for code, against in questions(classes, probabilities)] == asked


def test_each_scan_gets_its_own_maps(ensemble: Ensemble) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    scans = [Scan(str(number), image) for number, image in enumerate(pixels)]
    scans.insert(1, Scan("lost", InputError("is lost", where="", mend="look")))
    judged = list(judge_scans(ensemble, scans, ALIKE))
    maps = explain_scans(ensemble, judged)
    assert maps[1] == ()
    for position in (0, 2, 3):
        alone = explain_scans(ensemble, [judged[position]])[0]
        assert len(maps[position]) == len(questions(CLASSES, judged[position].verdict.probabilities))
        for mine, expected in zip(maps[position], alone, strict=True):
            assert (mine.speaks_for, mine.against) == (expected.speaks_for, expected.against)
            np.testing.assert_allclose(mine.values, expected.values, atol=1e-4)
    assert explain_scans(ensemble, judged[1:2]) == [()]
