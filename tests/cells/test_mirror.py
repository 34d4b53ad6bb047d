"""A cell's state goes to MLflow beside its training: in order, as one where it piles up, and all of it in the end."""

import os
import signal
from collections.abc import Iterator
from threading import Event, Thread
from time import sleep
from typing import Any, cast

import pytest

from csam_lightning.cells.mirror import Mirror

PATIENCE = 20


class Publisher:
    """A store that is as slow as it is told to be."""

    def __init__(self) -> None:
        self.sent: list[int | str] = []
        self.began, self.may_end = Event(), Event()

    def reopen(self) -> None:
        self.sent.append(-1)

    def publish(self, record: int, *, patient: bool) -> bool:
        assert not patient
        self.began.set()
        assert self.may_end.wait(PATIENCE)
        self.sent.append(record)
        return True

    def end(self, status: str) -> None:
        self.sent.append(status)


class Recorder:
    """A cell that is in a state with a number."""

    def __init__(self) -> None:
        self.state = 0

    def record(self) -> int:
        if self.state < 0:
            raise OSError("no room for a figure")
        return self.state


def mirror(publisher: Publisher, recorder: Recorder) -> Mirror:
    return Mirror(cast("Any", publisher), cast("Any", recorder))


def test_a_slow_store_holds_nobody_up_and_is_told_the_last_state() -> None:
    publisher, recorder = Publisher(), Recorder()
    with mirror(publisher, recorder) as shown:
        assert publisher.began.wait(PATIENCE)
        for recorder.state in range(1, 100):
            shown.refresh()
        assert publisher.sent == [-1]
        publisher.may_end.set()
    assert publisher.sent[:3] == [-1, 0, 99]
    assert set(publisher.sent[3:]) <= {99}


def shown_until_it_cannot_be_read(publisher: Publisher, recorder: Recorder) -> None:
    with mirror(publisher, recorder) as shown:
        assert publisher.began.wait(PATIENCE)
        recorder.state = -1
        publisher.may_end.set()
        for _ in range(PATIENCE * 100):
            shown.refresh()
            sleep(0.01)
        pytest.fail("nothing was raised while the cell was told of")


def test_what_goes_wrong_in_reading_the_cell_is_raised_at_a_later_state() -> None:
    with pytest.raises(OSError, match="no room for a figure"):
        shown_until_it_cannot_be_read(Publisher(), Recorder())


def shown_once(publisher: Publisher, recorder: Recorder, *, error: type[BaseException] | None = None) -> None:
    publisher.may_end.set()
    recorder.state = -1
    with mirror(publisher, recorder):
        if error:
            raise error


def test_or_at_the_end() -> None:
    with pytest.raises(OSError, match="no room for a figure"):
        shown_once(Publisher(), Recorder())


def test_what_ended_the_training_is_what_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        shown_once(Publisher(), Recorder(), error=ZeroDivisionError)


def interrupted_at_the_end(publisher: Publisher, *, times: int) -> None:
    """Leave the block while the store is slow; interrupts come then, and some time later it answers."""

    def interrupt() -> None:
        for _ in range(times):
            sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
        sleep(0.2)
        publisher.may_end.set()

    shown = mirror(publisher, Recorder())
    interrupter = Thread(target=interrupt)
    try:
        with shown:
            assert publisher.began.wait(PATIENCE)
            interrupter.start()
    except KeyboardInterrupt:
        shown.end("KILLED")
        raise
    finally:
        interrupter.join()


@pytest.fixture
def heeding_interrupts() -> Iterator[None]:
    """Let SIGINT interrupt, as in a command that a user starts; a shell has its background jobs ignore it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("heeding_interrupts")
def test_an_interrupt_waits_until_all_is_sent_and_then_ends_the_runs() -> None:
    publisher = Publisher()
    with pytest.raises(KeyboardInterrupt):
        interrupted_at_the_end(publisher, times=1)
    assert publisher.sent[-2:] == [0, "KILLED"]


@pytest.mark.usefixtures("heeding_interrupts")
def test_a_second_interrupt_leaves_the_runs_to_the_next_start() -> None:
    publisher = Publisher()
    with pytest.raises(KeyboardInterrupt):
        interrupted_at_the_end(publisher, times=2)
    assert "KILLED" not in publisher.sent
