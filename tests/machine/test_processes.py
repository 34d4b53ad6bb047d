import os
import signal
import threading
import time

import pytest

from csam_lightning.machine.processes import interrupts_deferred, interrupts_ignored


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_deferred_interrupt_takes_effect_at_the_end_of_the_block(number: signal.Signals) -> None:
    heard: list[str] = []
    former = signal.signal(number, lambda *_: heard.append("handler"))
    try:
        with interrupts_deferred():
            os.kill(os.getpid(), number)
            heard.append("block")
        assert heard == ["block", "handler"]
        os.kill(os.getpid(), number)
        assert heard == ["block", "handler", "handler"]
    finally:
        signal.signal(number, former)


def interrupt_twice(reached: list[str]) -> None:
    with interrupts_deferred():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("second")


def test_second_interrupt_takes_effect_at_once() -> None:
    reached: list[str] = []
    former = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_twice(reached)
        assert reached == ["first"]
    finally:
        signal.signal(signal.SIGINT, former)


def test_error_in_the_block_comes_out_where_no_interrupt_came() -> None:
    with pytest.raises(ValueError, match=r"^its own$"), interrupts_deferred():
        raise ValueError("its own")


def test_interrupt_that_another_thread_gets_does_not_cut_the_start_of_a_process_in_two() -> None:
    heard: list[str] = []
    done = threading.Event()
    thread = threading.Thread(target=done.wait)  # as of a library: it does not block the signal
    former = signal.signal(signal.SIGINT, lambda *_: heard.append("handler"))
    thread.start()
    try:
        with interrupts_ignored():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            heard.append("block")
        assert heard == ["block", "handler"]
    finally:
        signal.signal(signal.SIGINT, former)
        done.set()
        thread.join()
