"""The callback that makes a fold resumable after every epoch."""

import time
from collections.abc import Callable
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from csam_lightning.training.checkpoints import write_checkpoint
from csam_lightning.training.events import EpochEnded
from csam_lightning.training.fold_files import FoldFolder, write_history


class EpochKeeper(Checkpoint):
    """Keeps, after every epoch, the metrics so far and all that is needed to resume from there.

    The history is part of the checkpoint, so that a resumed fold has each epoch once.

    Args:
        folder: Where the files go.
        fold: The fold's number.
        keep_best: Whether to keep the weights of the epoch with the least validation loss.
        tell: Called after the files of an epoch are written.
        until: The epoch after which training stops for now; None: it runs to its end.

    Of several processes that train a fold together the first writes the files and reports.
    """

    def __init__(
        self,
        folder: FoldFolder,
        *,
        fold: int,
        keep_best: bool,
        tell: Callable[[EpochEnded], None],
        until: int | None = None,
    ) -> None:
        """Start with an empty history."""
        self.history: list[dict[str, float]] = []
        self._folder = folder
        self._fold = fold
        self._keep_best = keep_best
        self._tell = tell
        self._until = until
        self._began = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the history, for the checkpoint."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the history from a checkpoint."""
        self.history = list(state_dict["history"])

    def write_history(self) -> None:
        """Write the history; a process that was killed right after its last checkpoint has not."""
        write_history(self.history, self._folder.history)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Start the epoch's clock."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's files and tell."""
        best = self._remember(trainer)
        if trainer.is_global_zero and self._keep_best and best:
            write_checkpoint({"state_dict": pl_module.state_dict(), "epoch": len(self.history)}, self._folder.best)
        trainer.should_stop = len(self.history) == self._until
        trainer.save_checkpoint(self._folder.resume)  # every rank has its part in it; the first one writes
        if not trainer.is_global_zero:
            return
        write_history(self.history, self._folder.history, durable=False)
        self._tell(EpochEnded(self._fold, len(self.history), self.history[-1]))

    def _remember(self, trainer: L.Trainer) -> bool:
        """Add the epoch to the history and return whether its validation loss is the least so far."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        metrics |= {"seconds": time.monotonic() - self._began, "ended": time.time()}
        self.history.append(metrics)
        return metrics["val/loss"] <= min(past["val/loss"] for past in self.history)
