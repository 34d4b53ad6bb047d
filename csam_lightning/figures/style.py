"""One look for all figures: legible at page width, and the same colour for the same thing everywhere."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl

from csam_lightning.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = 8.0
"""Width of a figure in inches: at 10 points, text is as large as a page's own."""

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
"""Okabe and Ito's palette, distinct to colour-blind readers (jfly.uni-koeln.de/color)."""

TRAINING, VALIDATION = BLUE, VERMILION
OURS, PAPERS = VERMILION, BLUE
"""Marks of the cell that our rule chooses, and of the paper's rule."""

CLASS_COLOURS = (ORANGE, SKY, PURPLE, GREEN, YELLOW, BLUE, VERMILION, BLACK)
CLASS_HATCHES = ("", "//", "..", "xx", "--")
"""After eight classes the colours come again, hatched."""

LONGEST = 40

_RC: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "text.parse_math": False,
    "svg.hashsalt": "csam_lightning",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this project's look as long as the block runs."""
    with mpl.rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box stands for it
        yield


class ClassStyle(NamedTuple):
    """How a class looks."""

    colour: str
    hatch: str


def class_styles(classes: Sequence[str]) -> dict[str, ClassStyle]:
    """Return how each class looks, by its place among the classes."""
    return {
        name: ClassStyle(
            CLASS_COLOURS[place % len(CLASS_COLOURS)],
            CLASS_HATCHES[place // len(CLASS_COLOURS) % len(CLASS_HATCHES)],
        )
        for place, name in enumerate(classes)
    }


def shown(text: str, longest: int = LONGEST) -> str:
    """Return text from the store fit for a figure: printable, on one line, of at most ``longest`` characters."""
    line = re.sub(r"\s+", " ", "".join(sign if sign.isprintable() or sign.isspace() else "?" for sign in text))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def save_png(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG."""
    with written_atomically(path) as temporary:
        figure.savefig(temporary, dpi=150)


def save(figure: "Figure", stem: Path) -> None:
    """Write a figure as PNG and as SVG; the same figure gives the same bytes."""
    save_png(figure, stem.with_suffix(".png"))
    with written_atomically(stem.with_suffix(".svg")) as temporary:
        figure.savefig(temporary, metadata={"Date": None})
