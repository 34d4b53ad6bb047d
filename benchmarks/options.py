"""What a benchmark is told on its command line."""

import argparse
from collections.abc import Callable

from csam_lightning.errors import InputError
from csam_lightning.training.devices import check_accelerator


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
