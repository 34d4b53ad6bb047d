"""The same fold in several processes at once: how many images all of them together train on in a second."""

import math
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from threading import BrokenBarrierError
from typing import Protocol

import numpy as np

from benchmarks.clock import peak_memory
from benchmarks.observer import CommandFailedError
from benchmarks.task import Task, fold_job
from csam_lightning.progress import console
from csam_lightning.training.events import EpochEnded

PAYS = 1.05
"""More processes are tried as long as the last step up has brought so many times the images per second."""


class Gate(Protocol):
    """Where processes wait until all of them are warm."""

    def wait(self) -> object:
        """Wait."""


@dataclass(frozen=True)
class Worked:
    """What one process did.

    Attributes:
        marks: The machine's monotonic clock when it began with the first timed epoch, and at the end of each, seconds.
        memory: Most bytes that PyTorch held of the GPU, without CUDA's own; on a CPU, that the process held.
    """

    marks: list[float]
    memory: int


Work = Callable[[Task, int, Gate], Worked]


@dataclass(frozen=True)
class Point:
    """What so many processes reach: images per second of all together, and bytes of memory of one of them."""

    processes: int
    rate: float
    memory: float


def curve(work: Work, task: Task, *, epochs: int, counts: Sequence[int]) -> list[Point]:
    """Return what so many processes at once reach, as long as more of them pay, see ``PAYS``, and none fails.

    Args:
        work: What each of them does.
        task: On what.
        epochs: Timed epochs of each.
        counts: Numbers of processes to try, ascending.
    """
    points: list[Point] = []
    for count in counts:
        console().print(f"{work.__name__}, {task.name}{', CUDA graphs' * task.cuda_graphs}: {count} at once")
        try:
            worked = run_together(work, task, epochs=epochs, processes=count)
        except CommandFailedError as error:
            console().print(f"{count} at once failed: {error}", markup=False)
            break
        rate = images_per_second([one.marks for one in worked], task.images)
        console().print(f"{rate:.4g} images/s")
        points.append(Point(count, rate, median(one.memory for one in worked)))
        if len(points) > 1 and rate < PAYS * points[-2].rate:
            break
    return points


def images_per_second(marks: Sequence[Sequence[float]], images: int) -> float:
    """Return the rate of all processes together over the time in which all of them worked.

    Args:
        marks: Of each process, see :class:`Worked`; within an epoch its progress is taken as even.
        images: Per epoch.
    """
    start, end = max(times[0] for times in marks), min(times[-1] for times in marks)
    epochs = sum(float(np.diff(np.interp([start, end], times, range(len(times))))[0]) for times in marks)
    return images * epochs / (end - start) if end > start else math.nan


def run_together(work: Work, task: Task, *, epochs: int, processes: int) -> list[Worked]:
    """Return what each of several processes did that began together.

    Raises:
        CommandFailedError: One of them failed.
    """
    context = get_context("spawn")
    gate = context.Barrier(processes)
    pipes: list[Connection] = []
    children = []
    for _ in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_send, args=(theirs, work, task, epochs, gate), daemon=True)
        with _deaf_to_interrupts():
            child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    told: list[Worked | str] = []
    try:
        while pipes:
            ready = wait(pipes)
            for pipe in [pipe for pipe in pipes if pipe in ready]:
                pipes.remove(pipe)
                told.append(_received(pipe, gate))
    finally:
        for child in children:
            child.kill()
            child.join()
    reasons = [one for one in told if isinstance(one, str)]
    if reasons:
        raise CommandFailedError(next(filter(None, reasons), "a process failed"))
    return [one for one in told if isinstance(one, Worked)]


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that start inside the block ignore Ctrl-C: whoever started them ends them, and tells of it once."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _received(pipe: Connection, gate: Barrier) -> Worked | str:
    try:
        told: Worked | str = pipe.recv()
    except EOFError:
        gate.abort()
        return "its process died"
    return told


def _send(pipe: Connection, work: Work, task: Task, epochs: int, gate: Barrier) -> None:
    """Send what was done, or why it was not: nothing where another process failed; the body of a process."""
    try:
        pipe.send(work(task, epochs, gate))
    except BrokenBarrierError:
        pipe.send("")
    except Exception as error:  # noqa: BLE001 - whatever it is, the others need not wait for this one
        gate.abort()
        pipe.send(f"{type(error).__name__}: {error}")


def limit(task: Task, epochs: int, gate: Gate) -> Worked:
    """Train by the bare loop; on a GPU, its step as a CUDA graph."""
    import torch

    from benchmarks.limit import BareLoop, GraphedLoop

    torch.set_num_threads(task.threads)
    with tempfile.TemporaryDirectory() as scratch:
        kind = GraphedLoop if task.accelerator == "gpu" else BareLoop
        loop = kind(task, fold_job(task, Path(scratch), epochs=epochs))
    marks: list[float] = []
    for epoch in range(epochs + 1):
        loop.train()
        loop.validate()
        if epoch == 0:
            gate.wait()
        marks.append(time.monotonic())
    return Worked(marks, _memory(task))


def ours(task: Task, epochs: int, gate: Gate) -> Worked:
    """Train by the product."""
    from csam_lightning.training.fold import train_fold

    marks: list[float] = []

    def mark(event: EpochEnded) -> None:
        if event.epoch == 1:
            gate.wait()
        marks.append(time.monotonic())

    with tempfile.TemporaryDirectory() as scratch:
        train_fold(fold_job(task, Path(scratch), epochs=epochs + 1), mark)
    return Worked(marks, _memory(task))


def _memory(task: Task) -> int:
    import torch

    return torch.cuda.max_memory_reserved() if task.accelerator == "gpu" else peak_memory()
