"""The real commands without the seconds that each start spends on imports.

A command runs in a process of its own, forked from one that has imported what commands import, and so do the folds
that it trains. That imports come out right from nothing is proved by the tests that start Python themselves (those
that interrupt and kill, and the wheel's).
"""

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

PRELOADED = (
    "csam_lightning.check",
    "csam_lightning.commands.predict",
    "csam_lightning.commands.export",
    "csam_lightning.report",
    "csam_lightning.train",
    "csam_lightning.training.fold",
    "csam_lightning.tracking.runs",
    "csam_lightning.reporting.figures_sweep",
    "matplotlib.figure",
    "mlflow.tracking",
    "pytorch_grad_cam",
    "sklearn.covariance",
    "sklearn.model_selection",
)
PATIENCE_SECONDS = 300


def warm_context() -> ForkServerContext:
    """Return the context in which :func:`run` starts commands."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # heeded when MLflow is imported
    context = get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


@dataclass(frozen=True)
class _Start:
    name: str
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    said: Path
    server: str


def run(
    context: ForkServerContext, name: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m csam_lightning.<name>`` in ``folder`` and return what it said."""
    forkserver.ensure_running()
    server = vars(forkserver._forkserver)["_forkserver_address"]
    with tempfile.TemporaryDirectory() as said:
        start = _Start(name, arguments, folder, environment, Path(said), server)
        process = context.Process(target=_become, args=(start,))
        process.start()
        process.join(PATIENCE_SECONDS)
        out, err = (start.said / stream for stream in ("out", "err"))
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{name} {arguments} took too long:\n{err.read_text()}")
        return subprocess.CompletedProcess([name, *arguments], process.exitcode, out.read_text(), err.read_text())


def _do_nothing() -> None:
    """Start no further server: that of the tests is there."""


def _become(start: _Start) -> None:
    """Be the command; its folds are forked from the same process as it is."""
    vars(forkserver._forkserver).update(_forkserver_address=start.server, ensure_running=_do_nothing)
    vars(forkserver).update(ensure_running=_do_nothing)  # the module has its own name for it, which commands call
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        with (start.said / name).open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.chdir(start.folder)
    os.environ.update(start.environment)
    sys.argv = [start.name, *start.arguments]
    program = f"csam_lightning.{start.name}"
    sys.modules.pop(program, None)
    runpy.run_module(program, run_name="__main__", alter_sys=True)
