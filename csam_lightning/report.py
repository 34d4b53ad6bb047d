"""``python -m csam_lightning.report``: figures and tables of a sweep, from MLflow."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from omegaconf import DictConfig
from pydantic import Field

from csam_lightning.cli import run, typed
from csam_lightning.config import TrackingConfig
from csam_lightning.errors import InputError
from csam_lightning.machine.imports import loading

Name = Annotated[str, Field(coerce_numbers_to_str=True)]
Tolerance = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class ReportConfig:
    """``conf/report.yaml``: what to report, and where to write it.

    Attributes:
        runs: What to report.
        name: Of the report.
        output: Folder to write.
        tolerance: Macro F1 that the recommended cell may lie below the best.
        tracking: The store.
    """

    runs: list[Name] | Name | None
    name: Name | None
    output: str | None
    tolerance: Tolerance
    tracking: TrackingConfig


def main(config: DictConfig) -> None:
    """Write the report and print what it says in short, and where it is, on stdout.

    Raises:
        InputError: The store is away or empty, or a name stands for nothing in it.
    """
    settings = typed(config, ReportConfig)
    names = [settings.runs] if isinstance(settings.runs, str) else settings.runs
    if names is not None and not names:
        raise InputError("it names nothing", where="runs", mend="name sweeps, cells or an experiment, or give null")

    with loading():
        from csam_lightning.reporting.assembly import assemble
        from csam_lightning.reporting.selection import select
        from csam_lightning.reporting.writing import write_report
        from csam_lightning.tracking.reading import StoreReader

    store = StoreReader(settings.tracking.uri)
    selection = select(store, settings.tracking.experiment, names)
    document = assemble(store, selection, tolerance=settings.tolerance)
    page = write_report(document, _folder(settings, selection.names))
    advice, papers = document.advice, document.papers
    lines = [*advice.sentences, *([] if advice.command is None else [f"next: {advice.command}"])]
    lines += [advice.reason, *document.facts, *document.remarks]
    lines.append(f"the paper's published rule: {papers.cell.name}. {papers.reason}")
    lines += [f"not drawn: {item.title}. {item.text}" for item in document.items if item.figure is None]
    sys.stdout.write("\n".join([*map(_printable, lines), f"report  {page}"]) + "\n")


def _folder(settings: ReportConfig, names: list[str]) -> Path:
    if settings.output is not None:
        return Path(settings.output).expanduser()
    return Path("experiments") / folder_name(settings.name or "-".join(names))


def folder_name(text: str) -> str:
    """Return ``text`` fit for a folder's name: what is neither letter, digit nor ``-`` becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_-")[:60] or "report"


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in line)


if __name__ == "__main__":
    run(main, "report")
