"""How modules are loaded without looking for garbage meanwhile."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_FIRST = Lock()
"""Taken for good by the first block; processes that are forked find it taken."""


@contextmanager
def loading() -> Iterator[None]:
    """Let the first such block of a process load modules without collecting garbage, then or ever among what is there.

    What modules make stays: to look through all of it time and again takes a fifth of what PyTorch and Lightning take
    to load, see ``benchmarks/NOTES.md``, and a tenth of a second of pandas' where the process ends. Later blocks load
    little, and whatever was garbage when they ended could never be collected: they do nothing.
    """
    if not _FIRST.acquire(blocking=False):
        yield
        return
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
        if "torch" in sys.modules:  # triton, which comes with it, lists on stderr what was not collected at the end
            atexit.register(gc.unfreeze)
