"""Hashes kept as bytes: what goes in comes out, and what stands twice is found."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csam_lightning.data.hashes import UNKNOWN, Hashes

ALIKE = [f"{'ab' * 8}{number:048x}" for number in range(3)]
"""Hashes that differ in their last bytes only."""
hash_lists = st.lists(
    st.sampled_from([UNKNOWN, *ALIKE]) | st.binary(max_size=1).map(lambda data: hashlib.sha256(data).hexdigest())
)


@given(hash_lists)
def test_they_come_back_as_they_were(hashes: list[str]) -> None:
    kept = Hashes(hashes)
    assert list(kept) == hashes
    assert len(kept) == len(hashes)
    assert list(Hashes.of_array(kept.array())) == hashes


@given(hash_lists)
def test_every_repetition_is_found_with_its_first(hashes: list[str]) -> None:
    expected = [
        (position, hashes.index(one))
        for position, one in enumerate(hashes)
        if one != UNKNOWN and hashes.index(one) < position
    ]
    assert list(Hashes(hashes).repeated()) == expected


def test_they_can_be_added_to_after_their_array_was_read() -> None:
    hashes = Hashes(ALIKE[:2])
    array = hashes.array()
    assert array.shape == (2, 32)
    with pytest.raises(BufferError):
        hashes.append(ALIKE[2])
    del array
    hashes.append(ALIKE[2])
    assert list(hashes) == ALIKE


@pytest.mark.parametrize("other", ["", "ab", "00" * 33, "q" * 64])
def test_what_is_no_hash_is_refused(other: str) -> None:
    hashes = Hashes(ALIKE)
    with pytest.raises(ValueError, match=r"is no SHA-256|non-hexadecimal"):
        hashes.append(other)
    assert list(hashes) == ALIKE


def test_a_position_beyond_the_last_is_an_error() -> None:
    with pytest.raises(IndexError, match="no hash at position 3"):
        Hashes(ALIKE)[3]
