"""What ``python -m csam_lightning.predict`` does: judge new scans, and write verdicts, pictures and a page."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from omegaconf import DictConfig

from csam_lightning.cli import typed
from csam_lightning.config import Name, TrackingConfig, check_sound
from csam_lightning.data.palette import palette_names, parse_palette
from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.evaluation.conformal import Unit
from csam_lightning.evaluation.model_scores import operating_point, with_sound
from csam_lightning.evaluation.prevalence import for_prevalence
from csam_lightning.files import folder_written_atomically
from csam_lightning.machine.memory import keep_freed_memory
from csam_lightning.model.ensemble import Ensemble
from csam_lightning.predicting.device import Accelerator, device_for
from csam_lightning.predicting.judging import Judged, judge_scans
from csam_lightning.predicting.output import PAGE, Output, Wanted, print_tally
from csam_lightning.predicting.review import ReviewRule, facts_of, limits
from csam_lightning.predicting.sources import scans_of
from csam_lightning.predicting.table import FILE
from csam_lightning.predicting.trays import judge_trays, palette_of
from csam_lightning.progress import console, track, wide_console
from csam_lightning.registry.find import load_model
from csam_lightning.trays.dataset import scan_files


class Overlays(StrEnum):
    """Of which scans there are to be overlays."""

    review = "review"
    all = "all"
    none = "none"


@dataclass(frozen=True)
class PredictConfig:
    """``conf/predict.yaml``: what is to be judged by which model, and what to write."""

    model: Name
    input: Name
    output: Name
    package_pattern: str | None
    coverage: float
    strange: float
    kind: bool
    unit: Unit
    prevalence: dict[Name, float] | None
    sound: float | None
    overlays: Overlays
    maps: bool
    page: int
    tray: bool
    palette: list[str] | None
    gap: int
    batch_size: int
    accelerator: Accelerator
    tracking: TrackingConfig


def predict_scans(config: DictConfig) -> None:
    """Judge scans and write the verdicts: all of it, or nothing.

    Raises:
        InputError: A setting makes no sense, there is no such model or input, or the output folder is in use.
        RunFailedError: Scans could not be read; the others are judged.
    """
    settings = typed(config, PredictConfig)
    rule = ReviewRule(settings.coverage, settings.strange, settings.kind, settings.unit)
    check_sound(settings.sound)
    for name, value, least in (
        ("page", settings.page, 0),
        ("gap", settings.gap, 0),
        ("batch_size", settings.batch_size, 1),
    ):
        if value < least:
            raise InputError(f"{value} makes no sense here", where=name, mend=f"give a whole number from {least}")
    source, folder = Path(settings.input).expanduser(), Path(settings.output).expanduser()
    _check_output(source, folder)
    keep_freed_memory()
    device = device_for(settings.accelerator)
    loaded = for_prevalence(load_model(settings.model, uri=settings.tracking.uri), settings.prevalence)
    ensemble = with_sound(loaded, settings.sound).to(device)
    warnings = limits(ensemble, rule)
    for warning in warnings:
        console().print(f"warning: {warning}", markup=False, soft_wrap=True)
    wanted = Wanted(
        review=settings.overlays != Overlays.none,
        all=settings.overlays == Overlays.all,
        arrays=settings.maps,
        page=settings.page,
    )
    with folder_written_atomically(folder) as unfinished:
        output = Output(unfinished, ensemble, wanted)
        tally = output.write(_judged(settings, source, ensemble, rule, output))
        facts = [*operating_point(ensemble), *facts_of(settings.model, ensemble, rule)]
        output.write_page(f"Verdicts on {source.resolve().name}", facts, warnings)
    print_tally(wide_console(), ensemble.facts.classes, tally)
    sys.stdout.write(f"verdicts {folder / FILE}\npage     {folder / PAGE}\n")
    if tally.unreadable:
        raise RunFailedError(f"{tally.unreadable} of {tally.scans} scans cannot be read; {folder / FILE} says why")


def _check_output(source: Path, folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError("exists already", where=f"output {folder}", mend="name a new or an empty folder")
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        mend = "name a folder elsewhere: its pictures would be judged next time"
        raise InputError("lies inside the input folder", where=f"output {folder}", mend=mend)


def _judged(
    settings: PredictConfig, source: Path, ensemble: Ensemble, rule: ReviewRule, output: Output
) -> Iterator[Judged]:
    if not settings.tray:
        scans = scans_of(source, settings.package_pattern)
        if scans.others:
            console().print(f"{scans.others} files of other kinds than images are left aside", markup=False)
        stream = judge_scans(ensemble, scans, rule, batch_size=settings.batch_size)
        yield from track(stream, description="judging scans", total=len(scans))
        return
    files = scan_files(source)
    palette = palette_of(ensemble.facts, files) if settings.palette is None else parse_palette(settings.palette)
    if palette is not None:
        sys.stdout.write(f"palette from low to high amplitude: {','.join(palette_names(palette))}\n")
    yield from judge_trays(
        ensemble,
        files,
        rule,
        palette=palette,
        gap=settings.gap,
        painted=output.add_tray,
        batch_size=settings.batch_size,
    )
