"""The events that a fold in training reports to the process that watches it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochEnded:
    """A fold has finished an epoch and can be resumed after it."""

    fold: int
    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class FoldLaidAside:
    """A fold is paused until its next turn, which resumes it after its last epoch; only its own process reads this."""

    fold: int


@dataclass(frozen=True)
class FoldEnded:
    """A fold is finished; its files are written."""

    fold: int


@dataclass(frozen=True)
class FoldFailed:
    """A fold ended with an error.

    Attributes:
        fold: The fold's number.
        reason: One line.
        details: The traceback, or nothing where the reason is the user's to mend.
        where: What :class:`csam_lightning.errors.InputError` says; empty for any other error.
        mend: Likewise.
    """

    fold: int
    reason: str
    details: str = ""
    where: str = ""
    mend: str = ""


Event = EpochEnded | FoldEnded | FoldFailed
