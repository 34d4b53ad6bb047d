"""In which order folds are trained, so that no process idles while the last of them are."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple, Self

from csam_lightning.training.fold_files import FoldFolder
from csam_lightning.training.job import FoldJob


class Turn(NamedTuple):
    """A fold, and how far it is trained now.

    Attributes:
        job: The fold.
        until: The epoch after which it pauses; its last one where it is trained to its end.
    """

    job: FoldJob
    until: int


class Turns:
    """What is left to be trained, of each fold one part at a time.

    Args:
        turns: In the order in which they are to be given out.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        """Begin with all of them."""
        self._turns = list(turns)
        self._in_training: set[int] = set()

    @classmethod
    def of(cls, jobs: Sequence[FoldJob], *, processes: int) -> Self:
        """Share out what is left of folds among processes."""
        last = [job.trainer.max_epochs for job in jobs]
        left = [epochs - len(FoldFolder(job.folder).read_history()) for job, epochs in zip(jobs, last, strict=True)]
        shares = shared_out(left, processes)
        return cls([Turn(jobs[fold], last[fold] - later) for fold, later in shares])

    def __bool__(self) -> bool:
        """Whether any is left to be given out."""
        return bool(self._turns)

    def take(self) -> Turn | None:
        """Return the next one whose fold is in no other process's hands; None where there is none."""
        for turn in self._turns:
            if turn.job.fold.number not in self._in_training:
                self._turns.remove(turn)
                self._in_training.add(turn.job.fold.number)
                return turn
        return None

    def give_back(self, fold: int) -> None:
        """Note that a process has ended its turn with a fold."""
        self._in_training.remove(fold)

    def give_up(self, folder: Path) -> None:
        """Leave out what was still to come of the fold in ``folder``, which has ended."""
        self._turns = [turn for turn in self._turns if turn.job.folder != folder]


def shared_out(left: Sequence[int], processes: int) -> list[tuple[int, int]]:
    """Share epochs out so that all processes end at the same time, if epochs take equally long.

    McNaughton's wrap-around rule (Management Science 6, 1959): the processes are filled one after the other up to the
    same time; a fold that does not fit continues in the next one, where that part comes first. So a fold pauses
    once at most, and never in two processes at the same time.

    Args:
        left: How many epochs each fold has left.
        processes: How many train side by side.

    Returns:
        The turns in the order in which free processes take them: the number of the fold, and how many of its epochs
        are left for a later turn.
    """
    end = max([*left, ceil(sum(left) / processes)], default=0)
    first, whole, then = [], [], []
    busy_until = 0
    for fold, epochs in enumerate(left):
        if busy_until + epochs <= end:
            whole.append((fold, 0))
            busy_until += epochs
            continue
        later = end - busy_until
        if later:
            first.append((fold, later))
            then.append((later, fold))
        else:
            whole.append((fold, 0))
        busy_until = epochs - later
    return [*first, *whole, *((fold, 0) for _, fold in sorted(then, reverse=True))]
