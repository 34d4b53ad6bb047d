"""Looking into every image of a manifest, once: what is damaged, what is there twice, what is odd."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median_high

import numpy as np
from numpy.typing import NDArray

from csam_lightning.data.colour_rule import LUMA, SPECTRUM, USUAL, ColourRule, Overlay
from csam_lightning.data.colours import Look
from csam_lightning.data.duplicates import duplicate_problems
from csam_lightning.data.hashes import UNKNOWN, Hashes
from csam_lightning.data.images import range_of, read_image
from csam_lightning.data.manifest import Manifest
from csam_lightning.data.problems import Problem
from csam_lightning.data.reading import in_order
from csam_lightning.data.survey import Looks, colour_problems, gathered, palette_problem, survey
from csam_lightning.progress import track

NO_PEAK = -1  # of a file that is not of 16 bits, or cannot be read
FEW_LEVELS = 32  # of 256 grey levels, an eighth of the range


@dataclass(frozen=True)
class _Facts:
    """What one image file holds.

    Attributes:
        size: Width and height, pixels.
        mode: Kind of pixels, as :class:`csam_lightning.data.images.GreyImage` names them.
        pages: Images in the file.
        levels: Darkest and brightest sample, as the file holds them.
        peak: Brightest sample of a 16-bit file, None of other files.
        picture_hash: SHA-256 of the picture.
        look: What its colours mean, see :mod:`csam_lightning.data.colours`.
        marked: Share of its pixels that marks cover.
    """

    size: tuple[int, int]
    mode: str
    pages: int
    levels: tuple[int, int]
    peak: int | None
    picture_hash: str
    look: Look
    marked: float


@dataclass(frozen=True)
class ImageCounts:
    """What the image files of a manifest hold, those left out that cannot be read.

    Attributes:
        sizes: How many images have which width and height, pixels.
        modes: How many have which kind of pixels, as :class:`csam_lightning.data.images.GreyImage` names them.
        sample_bits: Range of the samples of all 16-bit files, bits; None where there are none.
        looks: How many hold colours that mean what.
    """

    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    sample_bits: int | None
    looks: Looks


def inspect_images(manifest: Manifest, colours: ColourRule = USUAL) -> tuple[ImageCounts, list[Problem]]:
    """Read every image of a manifest, those in colour twice where the rule takes their palette.

    Args:
        manifest: The scans.
        colours: How colours become grey.

    Returns:
        What the files hold, and the findings: damaged files, the same picture twice, images of one grey value, files
        of several pages, mixed kinds of pixels, a few scans far brighter than the rest, marks and false colour.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    peaks = np.full(len(manifest.table), NO_PEAK)
    picture_hashes = Hashes()
    looks = Looks()
    rule, problems = _rule(manifest, colours)
    with closing(in_order(manifest, partial(_facts, rule=rule))) as results:
        for position, result in enumerate(track(results, description="looking into images", total=len(peaks))):
            if isinstance(result, _Facts):
                sizes[result.size] += 1
                modes[result.mode] += 1
                looks.add(position, result.look, result.marked)
                peaks[position] = NO_PEAK if result.peak is None else result.peak
                picture_hashes.append(result.picture_hash)
                problems += _oddities(manifest, position, result)
                continue
            picture_hashes.append(UNKNOWN)
            if isinstance(manifest.table["path"].iloc[position], str):
                problems.append(Problem.of(result, int(manifest.rows[position])))
    bits = range_of(peak for peak in peaks.tolist() if peak != NO_PEAK)
    problems += colour_problems(manifest, looks, colours)
    problems += duplicate_problems(manifest, picture_hashes)
    problems += _kind_problems(manifest, modes)
    problems += _range_problems(manifest, peaks, bits) if bits else []
    return ImageCounts(sizes, modes, bits, looks), problems


def _path(manifest: Manifest, position: int) -> str:
    return str(manifest.table["path"].iloc[position])


def _rule(manifest: Manifest, colours: ColourRule) -> tuple[ColourRule, list[Problem]]:
    """Return a rule that refuses no scan, since all are to be counted, and what its palette raises."""
    problems: list[Problem] = []
    if colours.palette == SPECTRUM:
        found = gathered(in_order(manifest, survey))
        problems = [*colour_problems(manifest, {}, colours, lost=found.lost)]
        settled = found.rule(colours)
        problems += palette_problem(colours, settled.palette or ())
        colours = settled
    overlay = Overlay.keep if colours.overlay == Overlay.error else colours.overlay
    return ColourRule(overlay, LUMA if colours.palette is None else colours.palette), problems


def _facts(path: Path, rule: ColourRule) -> _Facts:
    image = read_image(path, colours=rule)
    height, width = image.samples.shape
    levels = int(image.samples.min()), int(image.samples.max())
    return _Facts(
        (width, height), image.mode, image.pages, levels, image.peak, image.picture_hash, image.look, image.marked
    )


def _oddities(manifest: Manifest, position: int, facts: _Facts) -> Iterator[Problem]:
    def warning(what: str, mend: str) -> Problem:
        what = f"'{_path(manifest, position)}' {what}"
        return Problem("warning", manifest.where(position), what, mend, int(manifest.rows[position]))

    if facts.levels[0] == facts.levels[1]:
        yield warning(f"is of one grey value, {facts.levels[0]}, throughout", "scan again or delete the row")
    if facts.pages > 1:
        yield warning(f"holds {facts.pages} pages, only the first is read", "save the page meant in a file of its own")


def _kind_problems(manifest: Manifest, modes: Counter[str]) -> list[Problem]:
    """Return a warning where kinds of pixels are mixed: their grey values may not compare."""
    if len(modes) <= 1:
        return []
    kinds = ", ".join(f"{kind} ({count})" for kind, count in modes.most_common())
    what = f"images are of different kinds: {kinds}"
    mend = "if one scanner made them all, export them alike, so that equal grey means an equal echo"
    return [Problem("warning", manifest.source, what, mend)]


def _range_problems(manifest: Manifest, peaks: NDArray[np.int64], bits: int) -> list[Problem]:
    """Return a warning where one scan's brightness leaves most 16-bit scans few grey levels."""
    usual = median_high(peaks[peaks != NO_PEAK].tolist())
    levels = usual * 255 // ((1 << bits) - 1) + 1
    if levels > FEW_LEVELS:
        return []
    brightest = int(peaks.argmax())
    what = (
        f"'{_path(manifest, brightest)}' has a sample of {peaks[brightest]}, so all scans are mapped from a range of "
        f"{bits} bits, which leaves half of them {levels} of 256 grey levels at most"
    )
    mend = "if that is a hot pixel, mend it or delete the row"
    return [Problem("warning", manifest.where(brightest), what, mend, int(manifest.rows[brightest]))]
