"""What worker processes owe to the process that started them, and how many there is room for."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from types import FrameType, ModuleType

from csam_lightning.machine.memory import large_pages


def usable_cores() -> int:
    """Count the cores that this process may use: those it is bound to, or all where that cannot be told."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_memory() -> int:
    """Return how many bytes of memory this process may use: the machine's, or what its control group leaves it.

    Where that cannot be told (Windows) there is no limit.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize
    return min([machine, *_memory_limits(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _memory_limits(membership: Path, groups: Path) -> list[int]:
    """Return the limits of Linux' control groups (version 2) that this process is in, in bytes."""
    try:
        own = next(line for line in membership.read_text().splitlines() if line.startswith("0::/"))
    except (OSError, StopIteration):
        return []
    inside = groups / own.removeprefix("0::/")
    files = [folder / "memory.max" for folder in (inside, *inside.parents) if folder.is_relative_to(groups)]
    told = [file.read_text().strip() for file in files if file.is_file()]
    return [int(limit) for limit in told if limit != "max"]


def spawn_context() -> SpawnContext:
    """Return the context in which new processes start from scratch."""
    _forget_joblib()
    return multiprocessing.get_context("spawn")


def preloaded_context(*modules: str) -> ForkServerContext | SpawnContext:
    """Return a context whose processes have ``modules`` imported from their first moment on, and use large pages.

    They are forked from one server process, which is started here, imports them once and does nothing else: for the
    slow imports of training this takes seconds off each start, and the sooner it is called the more. Where there is no
    such server (Windows) processes start from scratch.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return spawn_context()
    _forget_joblib()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    with program_left_out(), interrupts_ignored(), large_pages():
        forkserver.ensure_running()
    return context


@contextmanager
def program_left_out() -> Iterator[None]:
    """Let processes that are started inside the block do without this program's main module.

    :mod:`multiprocessing` would import it in each of them, for functions that are defined there; Hydra and all, that
    takes a second.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program


def _forget_joblib() -> None:
    """Undo joblib's own start method in its workers: it would be handed down to processes that do not know it."""
    if multiprocessing.get_start_method(allow_none=True) not in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method("spawn", force=True)


def end_with_parent() -> None:
    """Make this process end as soon as the one that started it has died, however it died.

    Call it first thing in a worker process; a thread then waits for the parent's death, and exits with status 1 at
    once, without any cleaning up. Not even ``kill -9`` of the parent leaves such a worker behind. In a process that
    :mod:`multiprocessing` did not start it does nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="end with parent", daemon=True).start()


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C (SIGINT) and SIGTERM take effect at the end of the block; a second one takes effect at once.

    For what is short and better not cut in two, such as a transaction with a database. Only the main thread hears of
    signals: in others the block simply runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            signal.default_int_handler(number, frame)

    known = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not None]
    former = {number: signal.signal(number, note) for number in known}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Make processes that are started inside the block ignore Ctrl-C (SIGINT) all their life.

    A terminal sends Ctrl-C to all processes; only the one that started the others should act on it. The signal is
    blocked, and new processes inherit that from their first moment on, while a worker that ignores the signal itself
    dies with a traceback where Ctrl-C comes during its start-up. In this process nothing is lost: Ctrl-C and
    SIGTERM inside the block take effect at its end. Where signals cannot be blocked (Windows) the block simply runs.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start, left to multiprocessing, would unblock the signal
    with interrupts_deferred():  # a library's thread, which does not block it, may get it
        former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
