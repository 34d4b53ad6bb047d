"""Results of a benchmark: printed, and kept with machine, versions and date in ``benchmarks/results/``."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table as Shown

from csam_lightning.figures.style import save_png
from csam_lightning.files import written_atomically
from csam_lightning.machine.cpu import lacks_bf16
from csam_lightning.machine.processes import usable_cores, usable_memory
from csam_lightning.reporting.tables import Table, written
from csam_lightning.tracking.environment import code_tags

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent / "results"
CACHE = Path("~/.cache/csam_lightning").expanduser()
"""The product's default."""
PLAIN_WIDTH = 160
"""Columns of tables that are not printed to a terminal."""
LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "albumentations", "mlflow-skinny")


def machine() -> list[str]:
    """Return what the figures were measured on, line by line."""
    lines = [f"{_processor()}, {usable_cores()} cores, {usable_memory() / 2**30:.0f} GiB, {platform.platform()}"]
    lines += [f"PyTorch's instructions: {_instructions()}", *_gpus()]
    code = code_tags()
    commit = code.get("git.commit", "no git checkout")[:12] + (
        " with changes" if code.get("git.dirty") == "true" else ""
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines.append(f"Python {platform.python_version()}, {libraries}; this project at {commit}")
    load = f"; load before: {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return [*lines, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC{load}"]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _instructions() -> str:
    """Return what decides how fast a CPU multiplies."""
    import torch

    widest = torch.backends.cpu.get_cpu_capability()
    return f"{widest}, {'none for bf16' if lacks_bf16() else 'with bf16'}"


def _gpus() -> list[str]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"GPU: {torch.cuda.get_device_name(number)}" for number in range(count)]


def publish(
    name: str,
    command: str,
    facts: Sequence[str],
    tables: Sequence[Table],
    notes: Sequence[str],
    *,
    figure: "Figure | None" = None,
) -> Path:
    """Print the results and keep them as Markdown.

    Args:
        name: Of the benchmark.
        command: What was run, for whoever wants to run it again.
        facts: The machine, see :func:`machine`, asked before the measurement.
        tables: The figures.
        notes: What they mean.
        figure: A picture of them, kept beside the Markdown.

    Returns:
        The file.
    """
    on = Console()
    if not on.is_terminal:
        on = Console(width=PLAIN_WIDTH)
    for table in tables:
        shown = Shown(*table.header, title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
        for row in table.rows:
            shown.add_row(*map(written, row))
        on.print(shown)
    for note in notes:
        on.print(note, soft_wrap=True)
    parts = [f"# {name}\n", f"`{command}`\n", *(f"- {fact}" for fact in facts), ""]
    for table in tables:
        parts += [f"## {table.title}\n", table.markdown()]
    parts += [f"{note}\n" for note in notes]
    path = FOLDER / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-{name}.md"
    if figure is not None:
        save_png(figure, path.with_suffix(".png"))
        parts += [f"![{name}]({path.stem}.png)\n"]
    with written_atomically(path) as temporary:
        temporary.write_text("\n".join(parts))
    on.print(f"kept in {path}", soft_wrap=True)
    return path
