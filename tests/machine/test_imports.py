"""Loading modules: no garbage is collected meanwhile, and everything is as usual afterwards."""

import subprocess
import sys


def said_by(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120)
    assert "leaked" not in done.stderr
    return done.stdout


def test_collecting_is_off_inside_the_first_block_alone() -> None:
    program = """
import gc
from csam_lightning.machine.imports import loading
with loading():
    print(gc.isenabled())
frozen = gc.get_freeze_count()
print(gc.isenabled(), frozen > 1000)
made = [[] for _ in range(1000)]
with loading():
    print(gc.isenabled())
print(gc.get_freeze_count() <= frozen)
"""
    assert said_by(program).split() == ["False", "True", "True", "True", "True"]


def test_collecting_that_was_off_stays_off() -> None:
    program = """
import gc
from csam_lightning.machine.imports import loading
gc.disable()
with loading():
    pass
print(gc.isenabled())
"""
    assert said_by(program).split() == ["False"]


def test_an_error_leaves_collecting_on() -> None:
    program = """
import gc
from csam_lightning.machine.imports import loading
try:
    with loading():
        raise ImportError
except ImportError:
    print(gc.isenabled())
"""
    assert said_by(program).split() == ["True"]


def test_a_process_that_has_loaded_what_folds_need_ends_without_a_word() -> None:
    """A library that comes with PyTorch lists on stderr what was never collected."""
    assert said_by("import gc, csam_lightning.training.preload; print(gc.isenabled())").split() == ["True"]
