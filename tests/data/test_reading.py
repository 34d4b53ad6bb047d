"""Files are read side by side unless they are quick: in order, each once, not far ahead of who takes the results."""

import time
from collections import Counter
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Barrier, Lock, get_ident

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.data.manifest import Manifest
from csam_lightning.data.reading import AHEAD, FIRST_STRETCH, RUN, SLOW_RUNS, in_order, or_raise
from csam_lightning.errors import InputError

ROOT = Path("scans")


def manifest_of(paths: list[str | None]) -> Manifest:
    table = pd.DataFrame({"path": pd.Series(paths, dtype="string")})
    return Manifest(ROOT, table, (), "manifest.csv", np.arange(2, len(paths) + 2))


class Reader:
    """Reads nothing, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[Path] = Counter()
        self._lock = Lock()

    def __call__(self, path: Path) -> str:
        with self._lock:
            self.asked[path] += 1
        if path.name.startswith("bad"):
            raise InputError("is bad", where=str(path), mend="write a good one")
        return path.name


@given(
    kinds=st.lists(st.sampled_from(["good", "bad", None]), max_size=3 * AHEAD),
    start=st.integers(0, 50),
    workers=st.none() | st.integers(1, 20),
)
def test_each_file_is_read_once_and_told_in_its_place(kinds: list[str | None], start: int, workers: int | None) -> None:
    paths = [kind and f"{kind}{number}" for number, kind in enumerate(kinds)]
    reader = Reader()
    told = list(in_order(manifest_of(paths), reader, start=start, workers=workers))
    said = [
        path
        if path and path.startswith("good")
        else f"manifest.csv row {row}: '{path}' is bad; write a good one"
        if path
        else f"manifest.csv row {row}: has no usable path; correct the path"
        for row, path in enumerate(paths[start:], start=start + 2)
    ]
    assert [str(one) for one in told] == said
    assert reader.asked == Counter(ROOT / path for path in paths[start:] if path)


def test_no_more_is_read_ahead_than_memory_is_meant_for() -> None:
    reader = Reader()
    results = in_order(manifest_of([f"good{number}" for number in range(10 * AHEAD)]), reader, workers=2)
    next(results)
    until = time.monotonic() + 20
    while reader.asked.total() <= AHEAD - RUN and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert AHEAD - RUN < reader.asked.total() <= AHEAD + RUN
    results.close()
    assert reader.asked.total() <= AHEAD + RUN


def test_few_files_are_shared_out_among_all_threads() -> None:
    all_there = Barrier(4)

    def read(path: Path) -> str:
        all_there.wait(timeout=20)
        return path.name

    assert list(in_order(manifest_of(["a", "b", "c", "d"]), read, workers=4)) == ["a", "b", "c", "d"]


def readers(files: int, *, quick_seconds: float) -> list[int | InputError]:
    """Return the thread that each file is read by."""
    paths: list[str | None] = [*["good"] * files]
    return list(in_order(manifest_of(paths), lambda _: get_ident(), quick_seconds=quick_seconds))


def test_quick_files_are_read_one_after_the_other_in_the_calling_thread() -> None:
    assert readers(20 * RUN, quick_seconds=60) == [get_ident()] * 20 * RUN


def test_slow_files_are_read_by_threads_and_one_by_one_is_tried_ever_more_rarely() -> None:
    stretches = [SLOW_RUNS, FIRST_STRETCH, SLOW_RUNS, 2 * FIRST_STRETCH, SLOW_RUNS, 7]
    read_by = readers(sum(stretches) * RUN, quick_seconds=0)
    runs = [{*read_by[first : first + RUN]} for first in range(0, len(read_by), RUN)]
    ends = list(accumulate(stretches))
    for number, (begin, end) in enumerate(pairwise([0, *ends])):
        alone = [run == {get_ident()} for run in runs[begin:end]]
        assert set(alone) == {number % 2 == 0}


def test_one_slow_run_between_quick_ones_brings_no_threads() -> None:
    """As the first file is, which loads what reads it."""

    def read(path: Path) -> int:
        if path.name in {"0", str(2 * RUN)}:
            time.sleep(0.5)
        return get_ident()

    paths: list[str | None] = [str(number) for number in range(20 * RUN)]
    assert set(in_order(manifest_of(paths), read, quick_seconds=0.5 / RUN)) == {get_ident()}


def test_first_error_is_raised_when_what_is_being_read_is_done_and_nothing_more_is_read() -> None:
    reader = Reader()

    def read(path: Path) -> str:
        said = reader(path)
        time.sleep(0.05)
        return said

    paths: list[str | None] = ["good", "bad", *(f"good{number}" for number in range(10 * AHEAD))]
    results = or_raise(in_order(manifest_of(paths), read, workers=2))
    assert next(results) == "good"
    with pytest.raises(InputError, match=r"^manifest.csv row 3: 'bad' is bad; write a good one$"):
        next(results)
    asked = reader.asked.total()
    assert asked <= 2 * RUN + 2
    time.sleep(0.1)
    assert reader.asked.total() == asked
