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
from csam_lightning.loading import loading

Name = Annotated[str, Field(coerce_numbers_to_str=True)]


@dataclass(frozen=True)
class ReportConfig:
    """``conf/report.yaml``: what to report, and where to write it."""

    runs: list[Name] | Name | None
    name: Name | None
    output: str | None
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
    document = assemble(store, selection)
    page = write_report(document, _folder(settings, selection.names))
    lines = [*document.facts, *document.remarks]
    for rule, choice in (("our rule", document.ours), ("the paper's rule", document.papers)):
        lines.append(f"{rule}: {choice.cell.name}. {choice.reason}")
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
