"""The pace of a sweep on this machine, from steps that processes of their own take before it starts."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Connection, wait

from omegaconf import DictConfig

from csam_lightning.cells.identity import CellKey
from csam_lightning.cells.shares import cells_at_once, with_share_of_machine
from csam_lightning.config import TrainConfig
from csam_lightning.machine.gpus import free_gpu_memory
from csam_lightning.machine.processes import end_with_parent, interrupts_ignored, preloaded_context, program_left_out
from csam_lightning.progress import console
from csam_lightning.sweeps.estimate import (
    USUAL,
    Kind,
    Pace,
    Step,
    TimedStep,
    affordable,
    fit_speed,
    kind_of,
    step_of,
    steps_to_time,
    work,
)
from csam_lightning.sweeps.plan import SweepPlan
from csam_lightning.sweeps.watch import duration
from csam_lightning.training.pool import FOLD_MODULES

WORTH_TIMING_SECONDS = 60.0
"""Time of a sweep, at the usual speed, from which it is worth the seconds that steps are timed in."""

STEPS_SECONDS = 8.0
"""Time for all steps, beside what PyTorch takes to load and what the first step of each size takes."""

PATIENCE_SECONDS = 60.0
"""Time after which the processes are given up; loading PyTorch takes most of it where a disk is slow."""


@dataclass(frozen=True)
class Question:
    """Of which steps a process finds out the time: the cheapest first, of cells of one kind."""

    kind: Kind
    config: TrainConfig
    steps: Sequence[Step]


def expected_pace(plan: SweepPlan, launcher: DictConfig) -> Pace:
    """Print how long a sweep is going to take, where that is long enough to time some steps; return its pace.

    Args:
        plan: The sweep.
        launcher: Hydra's launcher.
    """
    usual = usual_pace(plan, launcher)
    if cells_at_once(launcher) is None:
        print("time: unknown, as the cells run on other machines")  # noqa: T201 - what the user reads first
        return usual
    if usual.total(plan.cells.values()) < WORTH_TIMING_SECONDS:
        return usual
    console().print("timing a few training steps")
    timed = timed_pace(plan, usual)
    if timed is None:
        return usual
    print(time_told(timed.total(plan.cells.values()), timed.steps), flush=True)  # noqa: T201
    return timed


def time_told(seconds: float, steps: int) -> str:
    """Return how long a sweep is expected to take, for a person."""
    return f"about {duration(seconds)} on this machine (estimate from {steps} timed steps; corrected as cells end)"


def usual_pace(plan: SweepPlan, launcher: DictConfig) -> Pace:
    """Return a sweep's pace at the usual speed.

    Args:
        plan: The sweep.
        launcher: Hydra's launcher.
    """
    ask_once = cache(free_gpu_memory)
    shares = {
        cell: with_share_of_machine(key.config, launcher, ask_once).trainer.processes or 1
        for cell, key in plan.cells.items()
    }
    speeds = {kind_of(key.config): USUAL for key in plan.cells.values()}
    return Pace(speeds, shares, min(cells_at_once(launcher) or 1, len(plan.cells)))


def timed_pace(plan: SweepPlan, usual: Pace) -> Pace | None:
    """Return a sweep's pace, from a few steps that are timed now; None where that fails.

    Args:
        plan: The sweep, with work left.
        usual: Its pace at the usual speed.
    """
    left = [key for key in plan.cells.values() if key.unfinished_numbers]
    questions = list(_questions(left))
    heaviest = max(left, key=usual.seconds)
    folds = min(usual.folds_at_once[heaviest.id], len(heaviest.unfinished_numbers))
    with _asked(questions, processes=usual.cells_at_once * folds * heaviest.config.trainer.devices) as pipes:
        answers = _answers(pipes)
    if answers is None:
        return None
    timed: dict[Kind, list[TimedStep]] = defaultdict(list)
    for answer in answers:
        for kind, one in answer:
            timed[kind].append(one)
    speeds = {kind: fit_speed(steps) for kind, steps in timed.items()}
    count = sum(one.count for steps in timed.values() for one in steps)
    return replace(usual, speeds={**usual.speeds, **speeds}, steps=count)


def _questions(left: Sequence[CellKey]) -> Iterator[Question]:
    works: dict[Kind, dict[Step, float]] = defaultdict(lambda: defaultdict(float))
    configs: dict[Kind, TrainConfig] = {}
    for key in left:
        kind = kind_of(key.config)
        configs.setdefault(kind, key.config)
        works[kind][step_of(key.config)] += work(key)
    for kind, config in configs.items():
        yield Question(kind, config, steps_to_time(works[kind]))


@contextmanager
def _asked(questions: Sequence[Question], *, processes: int) -> Iterator[list[Connection]]:
    """Let so many processes side by side take the steps; they end with the block."""
    context = preloaded_context(*FOLD_MODULES)
    pipes, workers = [], []
    try:
        for place in range(processes):
            ours, theirs = context.Pipe(duplex=False)
            worker = context.Process(target=_answer, args=(theirs, questions, place), daemon=True)
            with program_left_out(), interrupts_ignored():
                worker.start()
            theirs.close()
            pipes.append(ours)
            workers.append(worker)
        yield pipes
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _answers(pipes: Sequence[Connection]) -> list[list[tuple[Kind, TimedStep]]] | None:
    """Return what each process answers; None where one fails, or takes too long."""
    waiting, answers = list(pipes), []
    end = time.monotonic() + PATIENCE_SECONDS
    while waiting:
        ready = wait(waiting, timeout=max(0.0, end - time.monotonic()))
        if not ready:
            return None
        for pipe in ready:
            assert isinstance(pipe, Connection)  # noqa: S101 - nothing else was waited for
            try:
                answer = pipe.recv()
            except (EOFError, OSError):
                return None
            if answer is None:
                return None
            answers.append(answer)
            waiting.remove(pipe)
    return answers


def _answer(pipe: Connection, questions: Sequence[Question], place: int) -> None:
    """Time steps; the body of a process of its own."""
    end_with_parent()
    try:
        pipe.send(list(_timed(questions, place)))
    except Exception:  # noqa: BLE001 - whatever it is, the cells meet it too, and say so
        pipe.send(None)


def _timed(questions: Sequence[Question], place: int) -> Iterator[tuple[Kind, TimedStep]]:
    from csam_lightning.training.timing import time_steps  # the watcher never imports torch

    end = time.monotonic() + STEPS_SECONDS
    to_come = sum(len(question.steps) for question in questions)
    for question in questions:
        config, before = question.config, None
        for asked in question.steps:
            seconds = max(0.0, end - time.monotonic()) / to_come
            to_come -= 1
            step = affordable(asked, before, seconds=seconds)
            if step is None:
                continue
            taken, count = time_steps(*step, of=config, place=place, seconds=seconds / 2)
            before = TimedStep(step, taken, count)
            yield question.kind, before
