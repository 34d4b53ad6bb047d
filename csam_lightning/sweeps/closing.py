"""The end of a sweep, which Hydra has no hook for where a job fails; free of slow imports."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.sweeps.ray import heed_termination

if TYPE_CHECKING:
    from csam_lightning.sweeps.session import Sweep

begun: "list[Sweep]" = []
"""The sweep of this process, if it launches one."""


@contextmanager
def sweep_closed() -> Iterator[None]:
    """Close the sweep that the block has begun, if any, however the block ends.

    Raises:
        RunFailedError: A cell, or the launcher, failed.
        KeyboardInterrupt: A launcher made another exception of being asked to end.
    """
    try:
        yield
    except (KeyboardInterrupt, InputError, HydraException, OmegaConfBaseException):
        for sweep in begun:
            sweep.close(over=False)
        raise
    except SystemExit as error:
        if not begun:
            raise
        heed_termination()
        begun.pop().close(over=False)
        raise KeyboardInterrupt from error
    except Exception as error:
        if not begun:
            raise
        begun.pop().close(over=True)
        told = next(iter(str(error).splitlines()), "")
        raise RunFailedError(f"the sweep's launcher failed ({type(error).__name__}: {told})") from error
    for sweep in begun:
        summary = sweep.close(over=True)
        if summary.failed:
            total = len(summary.failed) + len(summary.done)
            others = "; the others are done" if summary.done else ""
            raise RunFailedError(f"{len(summary.failed)} of {total} cells failed, see above{others}")
