"""What a fold in training tells the process that watches it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochEnded:
    """A fold has finished an epoch and can be taken up again after it."""

    fold: int
    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class FoldLaidAside:
    """A fold waits for its next turn, to go on after its last epoch; nothing for others than its process to know."""

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
