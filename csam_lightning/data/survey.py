"""Properties of a whole data set: the range of 16-bit samples, and how colours become grey."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from csam_lightning.data.colour_rule import LUMA, SPECTRUM, ColourRule, Overlay
from csam_lightning.data.colours import Look, look_at
from csam_lightning.data.images import survey_image
from csam_lightning.data.manifest import Manifest
from csam_lightning.data.palette import Palette, find_palette, merge_palettes, palette_names
from csam_lightning.data.problems import Problem
from csam_lightning.errors import InputError

FALSE_COLOUR_MEND = (
    'set data.palette=spectrum (blue to red, as crop does) or data.palette=["#000000",…] from low to high amplitude, '
    "export grey, or set data.palette=luma if these are photographs"
)


@dataclass(frozen=True)
class Surveyed:
    """One image file.

    Attributes:
        peak: Brightest sample of a 16-bit file, None of another.
        look: Kind of its colours.
        marked: Share of its pixels that marks cover.
        palette: Colours of a scan in false colour, None of another and of one that holds too many.
    """

    peak: int | None
    look: Look
    marked: float
    palette: Palette | None


@dataclass(frozen=True)
class LookCount:
    """How many scans of a data set look alike.

    Attributes:
        scans: Number of them.
        first: Position of the first.
        marked: Largest share of the pixels of one that marks cover.
    """

    scans: int
    first: int
    marked: float


class Looks(dict[Look, LookCount]):
    """Counts of the scans that hold colours, by what these mean."""

    def add(self, position: int, look: Look, marked: float) -> None:
        """Count a scan."""
        if look != "grey":
            known = self.get(look, LookCount(0, position, 0.0))
            self[look] = LookCount(known.scans + 1, known.first, max(known.marked, marked))


def survey(path: Path) -> Surveyed:
    """Return the properties of an image file; only 16-bit files and those in colour are decoded.

    Raises:
        InputError: As :func:`csam_lightning.data.images.read_grey`.
    """
    peak, pixels = survey_image(path)
    if pixels is None:
        return Surveyed(peak, "grey", 0.0, None)
    seen = look_at(pixels)
    palette = None
    if seen.look == "false colour":
        try:
            palette = find_palette(pixels, where=str(path))
        except InputError:
            palette = None
    return Surveyed(None, seen.look, seen.marked, palette)


@dataclass(frozen=True)
class Gathered:
    """The combined properties of a data set's files.

    Attributes:
        peaks: The different brightest samples of 16-bit files.
        looks: Counts of the scans that hold colours.
        palette: All colours of scans in false colour, from low to high amplitude; None where there are none.
        lost: Position of the first scan in false colour that holds too many colours, None without.
    """

    peaks: frozenset[int]
    looks: Looks
    palette: Palette | None
    lost: int | None

    def rule(self, rule: ColourRule) -> ColourRule:
        """Return the rule that can be applied to each scan alone: ``spectrum`` is replaced by the colours found."""
        if rule.palette != SPECTRUM:
            return rule
        return replace(rule, palette=None if self.palette is None else tuple(palette_names(self.palette)))


def gathered(results: Iterable[Surveyed | InputError]) -> Gathered:
    """Return the combined properties of files; errors are skipped."""
    peaks: set[int] = set()
    palettes: set[bytes] = set()
    looks, lost = Looks(), None
    for position, one in enumerate(results):
        if isinstance(one, InputError):
            continue
        if one.peak is not None:
            peaks.add(one.peak)
        looks.add(position, one.look, one.marked)
        if one.palette is not None:
            palettes.add(one.palette.tobytes())
        elif one.look == "false colour" and lost is None:
            lost = position
    found = [np.frombuffer(palette, dtype=np.uint8).reshape(-1, 3) for palette in palettes]
    return Gathered(frozenset(peaks), looks, merge_palettes(found), lost)


def colour_problems(
    manifest: Manifest, looks: Mapping[Look, LookCount], rule: ColourRule, *, lost: int | None = None
) -> Iterator[Problem]:
    """Yield a line for each kind of colour in a data set.

    Args:
        manifest: The scans.
        looks: Counts of them.
        rule: The user's, ``spectrum`` as it is.
        lost: See :class:`Gathered`.
    """
    if rule.palette == SPECTRUM and lost is not None:
        yield _many_colours(manifest, lost)
    if marked := looks.get("marked"):
        yield _marks_problem(manifest, marked, rule.overlay)
    if (false := looks.get("false colour")) and rule.palette in (None, LUMA):
        yield _false_colour_problem(manifest, false, rule.palette)
    if (colour := looks.get("colour")) and rule.palette in (None, LUMA, SPECTRUM):
        what = f"{_share(manifest, colour)} in colour and read by luma, for example '{_path(manifest, colour)}'"
        mend = "if the colours stand for amplitudes, name them in data.palette or export grey"
        yield Problem("warning", manifest.source, what, mend)


def palette_problem(rule: ColourRule, names: Sequence[str]) -> Iterator[Problem]:
    """Yield a warning that states the order of colours, where it was inferred."""
    if rule.palette == SPECTRUM and names:
        what = f"colours are taken from low to high amplitude as {','.join(names)}, an order that is inferred"
        yield Problem("warning", "data.palette", what, "name the colours in data.palette if it is another")


def _many_colours(manifest: Manifest, position: int) -> Problem:
    """Return the error of a scan in false colour that holds more colours than a palette has."""
    what = f"'{manifest.table['path'].iloc[position]}' holds more colours than a palette has"
    mend = "name the colours in data.palette, or export the scan anew, neither scaled nor compressed as JPEG"
    return Problem("error", manifest.where(position), what, mend, int(manifest.rows[position]))


def _marks_problem(manifest: Manifest, marked: LookCount, overlay: Overlay) -> Problem:
    path, most = _path(manifest, marked), f"up to {marked.marked:.1%} of one"
    if overlay == Overlay.error:
        more = f" (and {marked.scans - 1} more scans have)" if marked.scans > 1 else ""
        what = f"'{path}' has marks painted over it{more}"
        mend = "export without them, or set data.overlay=inpaint to fill them from the grey around"
        return Problem("error", manifest.where(marked.first), what, mend, int(manifest.rows[marked.first]))
    has = "has" if marked.scans == 1 else "have"
    head = f"{marked.scans} of {len(manifest.table)} scans {has} marks painted over, {most}, for example '{path}'"
    if overlay == Overlay.keep:
        return Problem("warning", manifest.source, f"{head}; read by luma, they are dark", "set data.overlay=inpaint")
    mend = "export without marks if you can, or set data.overlay=keep or error"
    return Problem("warning", manifest.source, f"{head}; they are filled from the grey around", mend)


def _false_colour_problem(manifest: Manifest, false: LookCount, palette: object) -> Problem:
    path = _path(manifest, false)
    if palette == LUMA:
        what = f"{_share(manifest, false)} in false colour and read by luma, for example '{path}'"
        return Problem("warning", manifest.source, what, "set data.palette if the colours stand for amplitudes")
    more = f" (and {false.scans - 1} more scans)" if false.scans > 1 else ""
    what = f"'{path}' is in false colour{more}"
    return Problem("error", manifest.where(false.first), what, FALSE_COLOUR_MEND, int(manifest.rows[false.first]))


def _share(manifest: Manifest, count: LookCount) -> str:
    return f"{count.scans} of {len(manifest.table)} scans {'is' if count.scans == 1 else 'are'}"


def _path(manifest: Manifest, count: LookCount) -> str:
    return str(manifest.table["path"].iloc[count.first])
