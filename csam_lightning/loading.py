"""How modules are loaded without looking for garbage meanwhile."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Let the first such block of a process load modules without collecting garbage, and look through them never again.

    What modules make stays: to look through all of it time and again takes a fifth of what PyTorch and Lightning take
    to load, and once more where the process ends, see ``benchmarks/NOTES.md``.
    """
    if gc.get_freeze_count():  # whatever is garbage by now could never be collected
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        if "torch" in sys.modules:  # a library that comes with it lists at exit what was never collected
            atexit.register(gc.unfreeze)
