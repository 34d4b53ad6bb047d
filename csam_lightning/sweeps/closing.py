"""The end of a sweep, which Hydra has no hook for where a job fails; free of slow imports."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.sweeps.ray import heed_termination

if TYPE_CHECKING:
    from csam_lightning.sweeps.plan import SweepPlan
    from csam_lightning.sweeps.summary import Summary


class BegunSweep(Protocol):
    """A sweep that has begun: its plan, and how it is closed; see :class:`csam_lightning.sweeps.session.Sweep`."""

    plan: "SweepPlan"

    def close(self, *, over: bool, lost: str = ...) -> "Summary":
        """Close it."""


begun: list[BegunSweep] = []
"""The sweep of this process, if it launches one."""


class SweepRefusedError(BaseException):
    """A sweep that cannot begin. Hydra goes on where a callback raises an ``Exception``, so this is none.

    Args:
        reason: What ends the command.
    """

    def __init__(self, reason: Exception) -> None:
        """Keep the reason."""
        super().__init__(str(reason))
        self.reason = reason


@contextmanager
def sweep_closed() -> Iterator[None]:
    """Close the sweep that the block has begun, if any, however the block ends.

    Raises:
        Exception: The reason why the sweep could not begin.
        RunFailedError: A cell, or the launcher, failed.
        KeyboardInterrupt: A launcher made another exception of being asked to end.
    """
    try:
        yield
    except SweepRefusedError as refused:
        raise refused.reason from None
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
        told = f"the sweep's launcher failed ({type(error).__name__}: {next(iter(str(error).splitlines()), '')})"
        begun.pop().close(over=True, lost=f"ended without a result: {told}")
        raise RunFailedError(told) from error
    for sweep in begun:
        summary = sweep.close(over=True)
        if summary.failed:
            total = len(summary.failed) + len(summary.done)
            others = "; the others are done" if summary.done else ""
            raise RunFailedError(f"{len(summary.failed)} of {total} cells failed, see above{others}")
