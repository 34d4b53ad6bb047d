"""A Lightning callback that lets a training go on by one epoch at a time."""

from multiprocessing.connection import Connection

import lightning as L

from benchmarks.clock import StopWatch, peak_memory


class TurnTaker(L.Callback):
    """Before each epoch tells what the one before took, with all that belongs to it, and waits to be asked for more.

    Args:
        pipe: Gets (what was spent, most bytes held so far); before the first epoch that is what the start took.
    """

    def __init__(self, pipe: Connection) -> None:
        """Start the watch."""
        super().__init__()
        self._pipe = pipe
        self._watch = StopWatch()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Tell, wait, and start the watch anew."""
        self._pipe.send((self._watch.lap(), peak_memory()))
        self._pipe.recv()
        self._watch.lap()
