"""Where commands print, and progress: bars on a terminal, plain lines elsewhere."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

AVERAGED_SECONDS = 3600.0
"""Time over which a bar's speed is averaged: folds side by side report at the same moment, which is no speed."""

NARROWEST = 120
"""Columns that a table needs; a pipe or a small terminal is treated as that wide."""


@cache
def console() -> Console:
    """Return the one console on stderr, where progress belongs; lines printed to it go above a bar that is shown."""
    return Console(stderr=True, highlight=False)


def wide_console() -> Console:
    """Return a console on stdout, wide enough for a table also where it is a pipe."""
    on = Console(highlight=False)
    return on if on.width >= NARROWEST else Console(highlight=False, width=NARROWEST)


def bar(on: Console) -> Progress:
    """Return the project's progress bar: description, bar, done of total, time used, time to go."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=on,
        speed_estimate_period=AVERAGED_SECONDS,
    )


def track(items: Iterable[T], *, description: str, total: int) -> Iterator[T]:
    """Yield ``items`` while showing how many of ``total`` are done: a bar, or a line each 10 % without a terminal."""
    on = console()
    if on.is_terminal:
        with bar(on) as progress:
            yield from progress.track(items, total=total, description=description)
        return
    step = max(1, total // 10)
    for done, item in enumerate(items, start=1):
        yield item
        if done == total or (done % step == 0 and total - done >= step):
            on.print(f"{description}: {done} of {total}")
