"""Looking into every image of a manifest, once: what is damaged, what is there twice, what is odd."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high

from csam_lightning.data.duplicates import duplicate_problems
from csam_lightning.data.images import range_of, read_image
from csam_lightning.data.manifest import Manifest
from csam_lightning.data.problems import Problem
from csam_lightning.data.reading import in_order
from csam_lightning.progress import track

FEW_LEVELS = 32  # of 256 grey levels, an eighth of the range


@dataclass(frozen=True)
class ImageFacts:
    """What one image file holds.

    Attributes:
        size: Width and height, pixels.
        mode: Kind of pixels, as :class:`csam_lightning.data.images.GreyImage` names them.
        pages: Images in the file.
        levels: Darkest and brightest sample, as the file holds them.
        peak: Brightest sample of a 16-bit file, None of other files.
        picture_hash: SHA-256 of the picture.
    """

    size: tuple[int, int]
    mode: str
    pages: int
    levels: tuple[int, int]
    peak: int | None
    picture_hash: str


def inspect_images(manifest: Manifest) -> tuple[list[ImageFacts | None], list[Problem]]:
    """Read every image of a manifest once.

    Returns:
        What each scan's file holds, None where it cannot be read or has no usable path, and the findings: damaged
        files, the same picture twice, images of one grey value, files of several pages, mixed kinds of pixels, a few
        scans far brighter than the rest.
    """
    facts: list[ImageFacts | None] = []
    problems: list[Problem] = []
    total = len(manifest.table)
    results = in_order(manifest, _facts)
    for position, result in enumerate(track(results, description="looking into images", total=total)):
        row = int(manifest.rows[position])
        if isinstance(result, ImageFacts):
            facts.append(result)
            problems += [
                Problem("warning", manifest.where(position), f"'{_path(manifest, position)}' {what}", mend, row)
                for what, mend in _oddities(result)
            ]
            continue
        facts.append(None)
        if isinstance(manifest.table["path"].iloc[position], str):
            problems.append(Problem.of(result, row))
    problems += duplicate_problems(manifest, [found.picture_hash if found else None for found in facts])
    problems += _kind_problems(manifest, [found for found in facts if found])
    problems += _range_problems(manifest, [found.peak if found else None for found in facts])
    return facts, problems


def _path(manifest: Manifest, position: int) -> str:
    return str(manifest.table["path"].iloc[position])


def _facts(path: Path) -> ImageFacts:
    image = read_image(path)
    height, width = image.samples.shape
    levels = int(image.samples.min()), int(image.samples.max())
    return ImageFacts((width, height), image.mode, image.pages, levels, image.peak, image.picture_hash)


def _oddities(facts: ImageFacts) -> Iterator[tuple[str, str]]:
    if facts.levels[0] == facts.levels[1]:
        yield f"is of one grey value, {facts.levels[0]}, throughout", "scan again or delete the row"
    if facts.pages > 1:
        yield f"holds {facts.pages} pages, only the first is read", "save the page meant in a file of its own"


def _kind_problems(manifest: Manifest, facts: Sequence[ImageFacts]) -> list[Problem]:
    """Return a warning where kinds of pixels are mixed: their grey values may not compare."""
    kinds = Counter(found.mode for found in facts).most_common()
    if len(kinds) <= 1:
        return []
    what = f"images are of different kinds: {', '.join(f'{kind} ({count})' for kind, count in kinds)}"
    mend = "if one scanner made them all, export them alike, so that equal grey means an equal echo"
    return [Problem("warning", manifest.source, what, mend)]


def _range_problems(manifest: Manifest, peaks: Sequence[int | None]) -> list[Problem]:
    """Return a warning where one scan's brightness leaves most 16-bit scans few grey levels."""
    known = {position: peak for position, peak in enumerate(peaks) if peak is not None}
    bits = range_of(known.values())
    if bits is None:
        return []
    usual = median_high(known.values())
    levels = usual * 255 // ((1 << bits) - 1) + 1
    if levels > FEW_LEVELS:
        return []
    brightest = max(known, key=lambda position: known[position])
    what = (
        f"'{_path(manifest, brightest)}' has a sample of {known[brightest]}, so all scans are mapped from a range of "
        f"{bits} bits, which leaves half of them {levels} of 256 grey levels at most"
    )
    mend = "if that is a hot pixel, mend it or delete the row"
    return [Problem("warning", manifest.where(brightest), what, mend, int(manifest.rows[brightest]))]
