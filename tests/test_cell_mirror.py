"""A cell's state goes to MLflow beside its training: in order, as one where it piles up, and all of it in the end."""

from threading import Event
from time import sleep
from typing import Any, cast

import pytest

from csam_lightning.cell_mirror import Mirror

PATIENCE = 20


class Publisher:
    """A store that is as slow as it is told to be."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.began, self.may_end = Event(), Event()

    def reopen(self) -> None:
        self.sent.append(-1)

    def publish(self, record: int, *, patient: bool) -> bool:
        assert not patient
        self.began.set()
        assert self.may_end.wait(PATIENCE)
        self.sent.append(record)
        return True


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
    assert publisher.sent == [-1, 0, 99]


def shown_until_it_cannot_be_read(publisher: Publisher, recorder: Recorder, *, states: int) -> None:
    with mirror(publisher, recorder) as shown:
        assert publisher.began.wait(PATIENCE)
        recorder.state = -1
        publisher.may_end.set()
        for _ in range(states):
            shown.refresh()
            sleep(0.01)


@pytest.mark.parametrize("states", [PATIENCE * 100, 1])
def test_what_goes_wrong_in_reading_the_cell_is_raised_at_a_later_state_or_at_the_end(states: int) -> None:
    with pytest.raises(OSError, match="no room for a figure"):
        shown_until_it_cannot_be_read(Publisher(), Recorder(), states=states)


def interrupted(publisher: Publisher, recorder: Recorder) -> None:
    with mirror(publisher, recorder):
        recorder.state = -1
        raise KeyboardInterrupt


def test_what_ended_the_training_is_what_is_raised() -> None:
    publisher = Publisher()
    publisher.may_end.set()
    with pytest.raises(KeyboardInterrupt):
        interrupted(publisher, Recorder())
