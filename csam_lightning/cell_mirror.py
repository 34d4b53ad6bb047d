"""Keeps MLflow informed of a cell while its folds train, from a thread of its own."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from csam_lightning.cell_record import Recorder
from csam_lightning.tracking.publisher import Publisher


class Mirror:
    """Sends what is new of a cell to MLflow, one state after the other, while the caller goes on.

    So a store that is slow, or has yet to be created, which takes seconds, holds up no fold. What is new while
    something is being sent is sent as one. The end of the ``with`` block waits until all is sent.

    Args:
        publisher: Sends; nothing else may use it inside the block.
        recorder: Says what is known by now; nothing else may use it inside the block.
    """

    def __init__(self, publisher: Publisher, recorder: Recorder) -> None:
        """Send what is known already."""
        self._publisher = publisher
        self._recorder = recorder
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._calls: deque[Future[None]] = deque([self._thread.submit(publisher.reopen)])
        self.refresh()

    def refresh(self) -> None:
        """Have sent soon what is new by now.

        Raises:
            Exception: What was new before could not be read or drawn; trouble with the store raises nothing.
        """
        while self._calls and self._calls[0].done():
            self._calls.popleft().result()
        if len(self._calls) <= 1:  # else the last of them has not begun, and will find what is new
            self._calls.append(self._thread.submit(self._send))

    def _send(self) -> None:
        self._publisher.publish(self._recorder.record(), patient=False)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait until all is sent, and raise what went wrong there unless something else has."""
        self._thread.shutdown()
        if error is None:
            for call in self._calls:
                call.result()
