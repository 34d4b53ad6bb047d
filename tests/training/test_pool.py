import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from csam_lightning.config import Arch, ModelConfig
from csam_lightning.errors import InputError
from csam_lightning.training.events import EpochEnded, Event, FoldEnded, FoldFailed
from csam_lightning.training.fold_files import FoldFolder, FoldPredictions
from csam_lightning.training.job import FoldJob, Rank
from csam_lightning.training.pool import FoldsFailedError, _Worker, train_folds
from csam_lightning.training.schedule import Turn

MakeJob = Callable[..., FoldJob]


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The place of every fold that is given to a process, in their order."""
    given: list[int] = []
    give = _Worker.give

    def noted(worker: _Worker, turn: Turn, rank: Rank) -> None:
        given.append(rank.place)
        give(worker, turn, rank)

    monkeypatch.setattr(_Worker, "give", noted)
    return given


def test_numbers_do_not_depend_on_how_many_folds_run_side_by_side(job: MakeJob, places: list[int]) -> None:
    predictions = []
    for processes in (1, 2):
        places.clear()
        jobs = [job(f"{processes}-{number}", number, trainer={"max_epochs": 2}) for number in range(3)]
        events: list[Event | None] = []
        train_folds(jobs, processes=processes, watch=events.append)
        assert sorted(event.fold for event in events if isinstance(event, FoldEnded)) == [0, 1, 2]
        assert sum(isinstance(event, EpochEnded) for event in events) == 6
        assert set(places) == set(range(processes))
        predictions.append([FoldPredictions.read(FoldFolder(made.folder).predictions).test for made in jobs])
    assert all(np.array_equal(one, two) for one, two in zip(*predictions, strict=True))


def test_nothing_to_train_starts_nothing() -> None:
    train_folds([], processes=2, watch=lambda _: pytest.fail("no event was due"))


def test_failing_fold_fails_alone(job: MakeJob, tmp_path: Path) -> None:
    broken = job("broken", 0, pixels=tmp_path / "missing.npy")
    sound = job("sound", 1, trainer={"max_epochs": 1})
    with pytest.raises(FoldsFailedError, match=r"fold 0: FileNotFoundError.*missing\.npy") as caught:
        train_folds([broken, sound], processes=1, watch=lambda _: None)
    assert "Traceback" in str(caught.value)
    assert FoldFolder(sound.folder).finished


def test_input_error_in_a_fold_stays_one(job: MakeJob) -> None:
    model = ModelConfig(arch=Arch.resnet18, weights="none.pt")
    with pytest.raises(InputError, match=r"^model.weights: no file none.pt; give null, imagenet or an existing file$"):
        train_folds([job(model=model)], processes=1, watch=lambda _: None)


def test_killed_process_fails_its_fold_and_the_next_one_runs_in_its_place(job: MakeJob, places: list[int]) -> None:
    failed: list[FoldFailed] = []

    def watch(event: Event | None) -> None:
        if isinstance(event, EpochEnded) and event.fold == 0:
            for process in multiprocessing.active_children():
                process.kill()
        if isinstance(event, FoldFailed):
            failed.append(event)

    first, second = job("first", 0, trainer={"max_epochs": 50}), job("second", 1, trainer={"max_epochs": 1})
    with pytest.raises(FoldsFailedError, match=r"fold 0: its process was killed, most likely for want of memory"):
        train_folds([first, second], processes=1, watch=watch)
    assert [event.fold for event in failed] == [0]
    assert FoldFolder(second.folder).finished
    assert places == [0, 0]
