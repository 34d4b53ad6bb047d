"""What a browser has sent, as it is judged, sorted and forgotten."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from csam_lightning.inspection_page.corrections import Said, correct
from csam_lightning.inspection_page.inspector import Inspector
from csam_lightning.inspection_page.session import MOST_SESSIONS, Session, Sessions, Show
from csam_lightning.inspection_page.uploads import Limits
from csam_lightning.model.ensemble import Ensemble, Judgement
from csam_lightning.predicting.judging import judge_scans
from csam_lightning.predicting.review import ReviewRule
from csam_lightning.predicting.scans import Scan
from tests.trays.drawing import SPECTRUM, draw, grid


@pytest.fixture
def session(ensemble: Ensemble, tmp_path: Path) -> Session:
    folder = tmp_path / "session"
    folder.mkdir()
    return Session(
        Inspector(ensemble, ReviewRule(coverage=0.5)), Limits(megabytes=1, files=9), folder, tmp_path / "out"
    )


def test_scans_are_judged_as_predict_does_and_sorted_by_need(session: Session, familiar: Path) -> None:
    files = sorted((familiar / "images").iterdir())[:8]
    for file in files:
        session.receive(f"../{file.name}", file.read_bytes(), tray=False)
    session.receive("broken.png", b"no image", tray=False)
    session.receive("beyond.png", b"no image", tray=False)
    asyncio.run(session.judge_waiting())

    inspector = session.inspector
    expected = [judged.verdict for judged in judge_scans(inspector.ensemble, map(scan_of, files), inspector.rule)]
    assert session.verdicts[:8] == expected
    assert [name for name, _ in session.unreadable] == ["broken.png", "beyond.png"]
    assert session.unreadable[1][1].startswith("is left out: 9 files at a time; remove the others first")
    chosen = session.chosen(Show.all, None)
    assert [one.verdict.needs_review for one in chosen] == sorted((v.needs_review for v in expected), reverse=True)
    review, left = session.chosen(Show.review, None), session.chosen(Show.left, None)
    assert {one.verdict.path for one in [*review, *left]} == {file.name for file in files}
    assert all(one.verdict.needs_review for one in review)

    label = next(name for name in "ABCD" if name != chosen[0].verdict.predicted)
    said = Said(label, "p1", "Ann")
    session.corrected(correct(session.corrections, chosen[0].judged.scan, said, predicted="?", model="c0"))
    assert session.chosen(Show.corrected, label) == [chosen[0]]
    assert chosen[0] not in [*session.chosen(Show.review, None), *session.chosen(Show.left, None)]
    session.clear()
    assert not session.chosen(Show.all, None)
    assert not list(session.folder.iterdir())


def test_a_label_belongs_to_the_picture_whatever_its_file_is_called_and_whoever_sends_it(
    session: Session, familiar: Path
) -> None:
    first, second = sorted((familiar / "images").iterdir())[:2]
    correct(session.corrections, scan_of(first), Said("B", "p1", "Ann"), predicted="A", model="c0")
    for name, file in (("one.png", first), ("two.png", second), ("again.png", second), ("none.png", None)):
        session.receive(name, file.read_bytes() if file else b"", tray=False)
    asyncio.run(session.judge_waiting())
    assert [one.correction and (one.label, one.correction.who) for one in session.scans] == [("B", "Ann"), None, None]

    session.corrected(correct(session.corrections, scan_of(second), Said("C", "p2", "Bo"), predicted="A", model="c0"))
    told = {verdict.path: correction and correction.who for verdict, correction in session.rows()}
    assert told == {"one.png": "Ann", "two.png": "Bo", "again.png": "Bo", "none.png": None}


def scan_of(file: Path) -> Scan:
    return Scan(file.name, file)


def test_units_of_a_tray_are_called_by_its_name_not_by_its_file(session: Session) -> None:
    places = grid(2, 3, 10.0)
    picture = io.BytesIO()
    Image.fromarray(SPECTRUM[draw((360, 400), list(places.values()))]).save(picture, "PNG")
    session.receive("lot 7.png", picture.getvalue(), tray=True)
    asyncio.run(session.judge_waiting())
    assert [one.path for one in session.verdicts] == [f"lot 7/{row:02}_{column:02}.png" for row, column in places]
    assert [one.package_id for one in session.verdicts] == [f"lot 7/{row:02}_{column:02}" for row, column in places]
    assert [tray.caption for tray in session.trays] == ["lot 7"]
    asyncio.run(session.picture(session.scans))
    for one in session.scans:
        assert one.layers is not None
        scan = np.asarray(Image.open(io.BytesIO(one.layers.scan)))
        assert np.array_equal(scan, one.judged.scan.pixels(None))
        for heat in one.layers.heats:
            assert np.asarray(Image.open(io.BytesIO(heat.png))).shape == (*scan.shape, 4)


def test_browsers_keep_their_own_scans_and_the_one_away_longest_goes(session: Session, tmp_path: Path) -> None:
    sessions = Sessions(session.inspector, session.limits, tmp_path, session.corrections)
    first, second = sessions.of("first"), sessions.of("second")
    first.receive("x.png", b"x", tray=False)
    assert not second.waiting
    for number in range(MOST_SESSIONS - 2):
        sessions.of(str(number))
    assert sessions.of("first") is first
    sessions.of("one more")
    assert not second.folder.exists()
    assert sessions.of("first") is first
    sessions.close()
    assert not first.folder.exists()


def test_a_file_that_memory_does_not_hold_is_told_and_the_next_is_judged(
    session: Session, familiar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file] = sorted((familiar / "images").iterdir())[:1]
    with monkeypatch.context() as patched:
        patched.setattr(session.inspector.ensemble, "judge", failing)
        session.receive("large.png", file.read_bytes(), tray=False)
        asyncio.run(session.judge_waiting())
    told = "could not be judged (out of memory); send fewer or smaller scans at a time"
    assert session.unreadable == [("large.png", told)]
    session.receive("next.png", file.read_bytes(), tray=False)
    asyncio.run(session.judge_waiting())
    assert [one.verdict.path for one in session.scans] == ["next.png"]


def failing(_: Tensor) -> Judgement:
    raise RuntimeError("out of memory")
