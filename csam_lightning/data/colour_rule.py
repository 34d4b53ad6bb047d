"""How colours become grey, as a setting; free of libraries, since every command reads settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from csam_lightning.errors import InputError

LUMA, SPECTRUM = "luma", "spectrum"


class Overlay(StrEnum):
    """What becomes of marks painted over a grey scan."""

    inpaint = "inpaint"
    keep = "keep"
    error = "error"


PaletteChoice: TypeAlias = tuple[str, ...] | str | None
"""Colours from low to high amplitude as ``#RRGGBB``; ``spectrum``: as they are found; ``luma``; None: refused."""


@dataclass(frozen=True)
class ColourRule:
    """How colours become grey.

    Attributes:
        overlay: What becomes of marks.
        palette: What becomes of false colour.
    """

    overlay: Overlay = Overlay.keep
    palette: PaletteChoice = LUMA

    @classmethod
    def of(cls, overlay: str, palette: Sequence[str] | str | None) -> "ColourRule":
        """Return the rule of two settings, or of what a model states.

        Raises:
            ValueError: There is no such overlay.
            InputError: The palette is a word other than ``spectrum`` and ``luma``.
        """
        if isinstance(palette, str) and palette not in {LUMA, SPECTRUM}:
            mend = f'give {SPECTRUM}, {LUMA}, null, or colours from low to high amplitude as ["#000000",…]'
            raise InputError(f"'{palette}' is no palette", where="data.palette", mend=mend)
        chosen = palette if palette is None or isinstance(palette, str) else tuple(palette)
        return cls(Overlay(overlay), chosen)


USUAL = ColourRule(Overlay.inpaint, None)
"""Marks are filled, false colour is refused."""
BY_LUMA = ColourRule()
"""All colours by luma, as models learned that were written before there were rules."""
