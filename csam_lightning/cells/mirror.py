"""Keeps MLflow informed of a cell while its folds train, from a thread of its own."""

from threading import Event, Thread
from types import TracebackType
from typing import Self

from csam_lightning.cells.record import Recorder
from csam_lightning.machine.processes import interrupts_deferred
from csam_lightning.tracking.publisher import Publisher


class Mirror:
    """Sends what is new of a cell to MLflow, one state after the other, while the caller goes on.

    So a store that is slow, or has yet to be created, which takes seconds, holds up no fold. What is new while
    something is being sent is sent as one. The end of the ``with`` block waits until all is sent; Ctrl-C and SIGTERM
    meanwhile take effect after that, a second one at once.

    Args:
        publisher: Sends; nothing else may use it inside the block.
        recorder: Says what is known by now; nothing else may use it inside the block.
    """

    def __init__(self, publisher: Publisher, recorder: Recorder) -> None:
        """Send what is known already."""
        self._publisher = publisher
        self._recorder = recorder
        self._error: Exception | None = None
        self._last = False
        self._news, self._ended = Event(), Event()
        self._news.set()
        Thread(target=self._send, name="mirror", daemon=True).start()  # which a second interrupt need not wait for

    def refresh(self) -> None:
        """Have sent soon what is new by now.

        Raises:
            Exception: What was new before could not be read or drawn; trouble with the store raises nothing.
        """
        self._raise()
        self._news.set()

    def _send(self) -> None:
        try:
            self._publisher.reopen()
            last = False
            while not last:
                self._news.wait()
                self._news.clear()
                last = self._last
                self._publisher.publish(self._recorder.record(), patient=False)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            self._error = error
        finally:
            self._ended.set()

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait until all is sent, and raise what went wrong there unless something else has."""
        self._last = True
        self._news.set()
        with interrupts_deferred():
            self._ended.wait()
        if error is None:
            self._raise()

    def end(self, status: str) -> None:
        """After the block, mark runs that are not finished as ended with ``status``, ``KILLED`` or ``FAILED``.

        Where a second interrupt came while something was being sent, that is left to the next start.
        """
        if self._ended.is_set():
            self._publisher.end(status)
