"""Repetitions: each is found, with its first, whatever keys the things share."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.data.repetitions import repetitions


@given(st.lists(st.none() | st.integers(0, 5)), st.integers(1, 6))
def test_every_repetition_is_found_with_its_first(things: list[int | None], kinds: int) -> None:
    """Unequal things may share a key."""
    keys = np.array([0 if thing is None else thing % kinds for thing in things], dtype=np.int64)
    expected = [
        (position, things.index(thing))
        for position, thing in enumerate(things)
        if thing is not None and things.index(thing) < position
    ]
    assert list(repetitions(keys, things.__getitem__)) == expected


def test_a_thing_whose_key_stands_alone_is_not_asked_for() -> None:
    asked: list[int] = []

    def thing(position: int) -> str:
        asked.append(position)
        return "x"

    assert list(repetitions(np.array([7, 8, 7, 9]), thing)) == [(2, 0)]
    assert asked == [0, 2]
