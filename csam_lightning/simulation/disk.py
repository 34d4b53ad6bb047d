"""What the file system refuses, told as bad input."""

from collections.abc import Iterator
from contextlib import contextmanager

from csam_lightning.errors import InputError


@contextmanager
def refusals_told(where: str, setting: str) -> Iterator[None]:
    """Turn what the file system refuses inside the block into bad input."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            where=where,
            mend=f"free space there or set {setting} to another folder",
        ) from error
