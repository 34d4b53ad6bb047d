import pytest

from csam_lightning.sweeps.folder import JobOutcome
from csam_lightning.sweeps.watch import duration, progress_line


def outcomes(**reasons: str | None) -> dict[int, JobOutcome]:
    return {int(name[1:]): JobOutcome(int(name[1:]), "id", "cell", "folder", why) for name, why in reasons.items()}


def test_time_to_go_follows_the_work_that_is_left() -> None:
    before = {0: 100.0, 1: 300.0, 2: 50.0, 3: 50.0}
    line = progress_line(outcomes(j0=None, j2="out of memory"), before, {1: 300.0, 3: 50.0}, elapsed=60.0, faith=0.0)
    assert line == "cells: 1 done, 1 failed, 2 left; about 4 min to go"  # 60 s for 100, so 210 s for 350


def test_what_is_half_trained_beside_others_counts() -> None:
    before = {0: 100.0, 1: 100.0, 2: 100.0}
    line = progress_line(outcomes(j0=None), before, {1: 25.0, 2: 75.0}, elapsed=80.0, faith=0.0)
    assert line == "cells: 1 done, 0 failed, 2 left; about 40 s to go"  # 200 of 300 in 80 s


def test_what_was_measured_before_fades_as_work_is_finished() -> None:
    before = dict.fromkeys(range(100), 10.0)  # seconds expected; they really take three times as long
    told = []
    for done in (1, 10, 90):
        ended = {number: JobOutcome(number, "id", "cell", "folder", None) for number in range(done)}
        left = dict.fromkeys(range(done, 100), 10.0)
        told.append(progress_line(ended, before, left, elapsed=done * 30.0, faith=20.0).partition("; ")[2])
    assert told == ["about 28 min to go", "about 40 min to go", "about 5 min to go"]  # of 49.5, 45 and 5 minutes


def test_no_guess_before_anything_was_trained_and_none_at_the_end() -> None:
    assert (
        progress_line(outcomes(j0=None), {0: 0.0, 1: 5.0}, {1: 5.0}, elapsed=9.0, faith=0.0)
        == "cells: 1 done, 0 failed, 1 left"
    )
    assert progress_line(outcomes(j0=None), {0: 5.0}, {}, elapsed=9.0, faith=1.0) == "cells: 1 done, 0 failed, 0 left"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3599, "1 h 00 min"),
        (11100, "3 h 05 min"),
        (88000, "1 day 0 h"),
        (191000, "2 days 5 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
