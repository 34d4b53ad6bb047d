"""State files, which later runs rely on: written with a checksum, read so that a damaged one ends nothing.

A damaged file is one that is empty, cut off, garbage, of other types than it should be, or not to be opened. It is set
aside under the name ``NAME.damaged-1`` (or 2, …), one line in the log tells of it, and it counts as missing.
"""

import errno
import json
import logging
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from csam_lightning.files import sync_folder, written_atomically

CHECKSUM = "checksum"
"""Key in a JSON object for the CRC-32 of the others; files from before there was one have none."""

State = TypeVar("State")

log = logging.getLogger(__name__)

_UNREADABLE = {errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR}
"""Errors that lie in the file; others, such as too many open files, lie in the process."""


def write_json(path: Path, content: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Write a JSON object, durably and with its checksum."""
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps({**content, CHECKSUM: _checksum(content)}, indent=indent) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object that :func:`write_json` wrote; of a file without a checksum none is compared.

    Raises:
        ValueError: It is damaged.
        OSError: There is no such file, or it may not be opened.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError("it holds no JSON object")
    checksum = content.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(content):
        raise ValueError("its checksum does not fit")
    return content


def read_state(path: Path, read: Callable[[Path], State]) -> State | None:
    """Return what ``read`` makes of a state file, or None where there is none; a damaged one is set aside.

    Call it only while no other process writes the file.

    Args:
        path: The file.
        read: Reads it, and raises any exception where it is damaged.
    """
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except Exception as error:
        if not _damaged(error):
            raise
        set_damaged_aside(path, (str(error).strip() or type(error).__name__).splitlines()[0][:200])
        return None


def peek_state(path: Path, read: Callable[[Path], State]) -> State | None:
    """Return what ``read`` makes of a state file; None where there is none, or a damaged one, which stays."""
    try:
        return read(path)
    except Exception as error:
        if not _damaged(error):
            raise
        return None


def set_damaged_aside(path: Path, reason: str) -> None:
    """Give a damaged file another name and log it; where that cannot be done, it is only logged."""
    number = 1
    while (place := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        path.rename(place)
        sync_folder(path.parent)
    except OSError:
        log.warning("%s is damaged (%s) and counts as missing", path, reason)
    else:
        log.warning("%s is damaged (%s): set aside as %s", path, reason, place.name)


def _damaged(error: Exception) -> bool:
    return not isinstance(error, OSError) or error.errno in {None, errno.ENOENT, *_UNREADABLE}


def _checksum(content: Mapping[str, Any]) -> int:
    """Return the CRC-32 of a JSON object, whichever order its keys have."""
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
