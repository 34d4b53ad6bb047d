from heapq import heappop, heappush
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.training.events import EpochEnded, Event
from csam_lightning.training.fold_files import FoldFolder
from csam_lightning.training.pool import FoldsFailedError, train_folds
from csam_lightning.training.schedule import Turns, shared_out
from tests.training.test_pool import MakeJob


def worked_off(left: list[int], turns: list[tuple[int, int]], processes: int) -> int:
    """Let free processes take turns in order, an epoch being a unit of time; return when all have ended."""
    clock, ends, waiting, busy = 0, [(0, -1)] * processes, list(turns), set()
    still = dict(enumerate(left))
    while ends:
        clock, ended = heappop(ends)
        busy.discard(ended)
        for turn in waiting:
            fold, later = turn
            if fold not in busy:
                waiting.remove(turn)
                busy.add(fold)
                assert still[fold] >= later, "an epoch is trained twice"
                heappush(ends, (clock + still[fold] - later, fold))
                still[fold] = later
                break
    assert not waiting
    assert set(still.values()) <= {0}
    return clock


@given(folds=st.integers(1, 12), epochs=st.integers(1, 40), processes=st.integers(1, 8))
def test_no_process_idles_at_the_end(folds: int, epochs: int, processes: int) -> None:
    left = [epochs] * folds
    turns = shared_out(left, processes)
    assert worked_off(left, turns, processes) == max(epochs, ceil(folds * epochs / processes))
    assert sum(later > 0 for _, later in turns) < processes
    assert len(turns) <= folds + processes - 1


@given(left=st.lists(st.integers(0, 20), max_size=10), processes=st.integers(1, 6))
def test_folds_taken_up_are_trained_to_their_ends_once(left: list[int], processes: int) -> None:
    worked_off(left, shared_out(left, processes), processes)


def test_five_folds_on_two_cores_lay_one_aside_half_way() -> None:
    assert shared_out([20] * 5, 2) == [(2, 10), (0, 0), (1, 0), (3, 0), (4, 0), (2, 0)]
    assert shared_out([20] * 4, 2) == [(fold, 0) for fold in range(4)]
    assert shared_out([1] * 5, 2) == [(fold, 0) for fold in range(5)]


def test_a_fold_is_in_one_process_at_a_time(job: MakeJob) -> None:
    turns = Turns.of([job(str(number), number, trainer={"max_epochs": 2}) for number in range(3)], processes=2)
    first, second = turns.take(), turns.take()
    assert first is not None
    assert second is not None
    assert (first.job.fold.number, first.until) == (1, 1)
    assert (second.job.fold.number, second.until) == (0, 2)
    third = turns.take()
    assert third is not None
    assert third.job.fold.number == 2
    assert turns.take() is None  # fold 1 goes on when its first turn has ended
    turns.give_back(1)
    fourth = turns.take()
    assert fourth is not None
    assert (fourth.job.fold.number, fourth.until) == (1, 2)
    assert not turns


def test_a_fold_that_failed_gets_no_further_turn(job: MakeJob) -> None:
    events: list[Event | None] = []
    jobs = [job(str(number), number, trainer={"max_epochs": 2}) for number in range(3)]
    jobs[1] = job("1", 1, trainer={"max_epochs": 2}, pixels=jobs[1].folder / "missing.npy")
    with pytest.raises(FoldsFailedError, match=r"^fold 1: FileNotFoundError") as caught:
        train_folds(jobs, processes=2, watch=events.append)
    assert str(caught.value).count("fold 1: ") == 1
    assert sorted(event.fold for event in events if isinstance(event, EpochEnded)) == [0, 0, 2, 2]
    assert all(FoldFolder(jobs[number].folder).finished for number in (0, 2))
