"""What a benchmark is told on its command line."""

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

from csam_lightning.errors import InputError
from csam_lightning.machine.accelerator import check_accelerator


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``least`` on, for :mod:`argparse`."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return number


def check_cache_dir(folder: Path) -> None:
    """Check that scans can be kept in ``folder``, which is made where it is not there yet.

    Raises:
        InputError: They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise InputError(what, where=f"--cache-dir {folder}", mend="name a folder of yours") from error


def check_device(accelerator: str) -> None:
    """Check that this machine has what ``--accelerator`` asks for.

    Raises:
        InputError: It has not.
    """
    try:
        check_accelerator(accelerator)
    except InputError as error:
        mend = "on a machine without one give --accelerator cpu"
        raise InputError(error.what.rstrip("!"), where=f"--accelerator {accelerator}", mend=mend) from error
