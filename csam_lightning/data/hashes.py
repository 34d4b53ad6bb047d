"""Hashes of many files, in little memory."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from csam_lightning.data.repetitions import repetitions

LENGTH = 32
"""Bytes of a SHA-256 hash."""
UNKNOWN = "00" * LENGTH
"""Stands for the hash of what cannot be read."""


class Hashes:
    """SHA-256 hashes in hexadecimal, one of each scan, kept in 32 bytes each: Python's strings take four times that."""

    def __init__(self, hashes: Iterable[str] = ()) -> None:
        """Begin with ``hashes``."""
        self._bytes = bytearray()
        for one in hashes:
            self.append(one)

    @classmethod
    def of_array(cls, array: NDArray[np.uint8]) -> "Hashes":
        """Return the hashes that :meth:`array` gave."""
        found = cls()
        found._bytes = bytearray(array)
        return found

    def array(self) -> NDArray[np.uint8]:
        """Return their bytes, uint8 of shape (hashes, 32); no hash can be added while they are in use."""
        return np.frombuffer(self._bytes, dtype=np.uint8).reshape(-1, LENGTH)

    def append(self, one: str) -> None:
        """Add a hash.

        Raises:
            ValueError: It is no SHA-256 in hexadecimal.
        """
        added = bytes.fromhex(one)
        if len(added) != LENGTH:
            raise ValueError(f"'{one}' is no SHA-256")
        self._bytes += added

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Yield each position where an earlier hash stands again, and where it stands first, ``UNKNOWN`` left out."""
        beginnings = np.frombuffer(self._bytes, dtype=np.uint64)[:: LENGTH // 8].copy()
        return repetitions(beginnings, lambda position: None if self[position] == UNKNOWN else self[position])

    def __len__(self) -> int:
        """Count the hashes."""
        return len(self._bytes) // LENGTH

    def __iter__(self) -> Iterator[str]:
        """Yield each hash."""
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, position: int) -> str:
        """Return the hash of the scan at ``position``, from 0."""
        if not 0 <= position < len(self):
            raise IndexError(f"no hash at position {position}")
        return self._bytes[position * LENGTH : (position + 1) * LENGTH].hex()
