"""Trays judged unit by unit, and painted with the verdicts."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csam_lightning.data.colour_rule import Overlay
from csam_lightning.data.palette import Palette, Pixels, find_palette, merge_palettes, parse_palette
from csam_lightning.errors import InputError
from csam_lightning.evaluation.operating_point import SOUND, is_delamination
from csam_lightning.predicting.judging import BATCH, Judged, Verdict, judge_scans
from csam_lightning.predicting.review import ReviewRule
from csam_lightning.predicting.scans import Scan
from csam_lightning.progress import console, track
from csam_lightning.trays.dataset import COLOUR, read_tray, told, unit_paths
from csam_lightning.trays.overview import GREEN, ORANGE, Colour, paint
from csam_lightning.trays.tray import Tray, cut_tray

if TYPE_CHECKING:
    from csam_lightning.model.ensemble import Ensemble, ModelFacts

PURPLE: Colour = (140, 0, 140)
GREY: Colour = (120, 120, 120)
LETTERS = 4  # of a class's name that are painted


def palette_of(facts: "ModelFacts", files: Sequence[Path]) -> Palette | None:
    """Return the palette that a model learned with, else one for all trays in false colour; None where there is none.

    A tray that cannot be read is told when its units are to be judged.
    """
    if isinstance(facts.colours.palette, tuple):
        return parse_palette(facts.colours.palette)
    palettes = []
    for file in files:
        try:
            pixels = read_tray(file, Overlay.keep).pixels
            if pixels.ndim == COLOUR:
                palettes.append(find_palette(pixels, where=str(file)))
        except InputError:
            continue
    return merge_palettes(palettes)


def judge_trays(
    ensemble: "Ensemble",
    files: Sequence[Path],
    rule: ReviewRule,
    *,
    palette: Palette | None,
    gap: int,
    painted: Callable[[str, Pixels], None],
    batch_size: int = BATCH,
) -> Iterator[Judged]:
    """Cut trays, judge their units row by row, and hand over a picture of each tray when its units are judged.

    A unit is called as ``crop`` calls its image, ``<scan>/<row>_<column>.png``. A tray that cannot be read, or holds no
    unit, is a scan that cannot be read.

    Args:
        ensemble: The model.
        files: Trays.
        rule: When a person is to look.
        palette: Colours of trays in false colour from low to high amplitude, see :mod:`csam_lightning.data.palette`.
        gap: As :func:`csam_lightning.trays.finding.find_units`.
        painted: Takes a tray's name and its picture, uint8 of shape (height, width, 3).
        batch_size: Units that the networks look at together.
    """
    overlay = ensemble.facts.colours.overlay
    for file in files:
        try:
            pixels, marks = read_tray(file, overlay, palette)
            tray = cut_tray(pixels, palette, where=str(file), gap=gap, marks=marks)
        except InputError as error:
            yield from judge_scans(ensemble, [Scan(file.name, error)], rule)
            continue
        console().print(told(file.name, tray, overlay), markup=False, soft_wrap=True)
        verdicts = []
        units = judge_scans(ensemble, unit_scans(tray, file.stem), rule, batch_size=batch_size)
        for judged in track(units, description=f"judging {file.name}", total=len(tray.units)):
            verdicts.append(judged.verdict)
            yield judged
        painted(file.stem, paint_verdicts(tray, verdicts, ensemble.facts.classes))


def unit_scans(tray: Tray, name: str) -> Iterator[Scan]:
    """Yield the units of a tray called ``name`` as scans."""
    for path, image, marked in zip(unit_paths(tray, name), tray.images(), tray.marked(), strict=True):
        yield Scan(path, image, marked=marked)


def paint_verdicts(tray: Tray, verdicts: Sequence[Verdict], classes: Sequence[str]) -> Pixels:
    """Paint each unit's class above its row and column: green for sound, purple for delaminated, orange for a look.

    Classes other than A, B, C and D are all green. What is no whole unit has a grey box.

    Args:
        tray: The tray.
        verdicts: Of its units, in their order.
        classes: The model's.

    Returns:
        uint8 of shape (height, width, 3), red, green and blue.
    """
    left_out = (*tray.at_edge, *tray.pieces)
    captions = [
        f"{verdict.predicted[:LETTERS]}{'?' * verdict.needs_review}\n{unit.row},{unit.column}"
        for unit, verdict in zip(tray.units, verdicts, strict=True)
    ]
    return paint(
        tray,
        [*(unit.box for unit in tray.units), *left_out],
        [*captions, *("" for _ in left_out)],
        [*(_colour(verdict, classes) for verdict in verdicts), *(GREY for _ in left_out)],
    )


def _colour(verdict: Verdict, classes: Sequence[str]) -> Colour:
    if verdict.needs_review:
        return ORANGE
    delaminated = is_delamination(classes) and verdict.predicted != SOUND
    return PURPLE if delaminated else GREEN
