"""False colour back to grey, as :mod:`csam_lightning.data.palette` has it for all scans."""

from csam_lightning.data.palette import (
    Palette,
    Pixels,
    find_palette,
    merge_palettes,
    palette_names,
    parse_palette,
    sort_colours,
    to_grey,
)

__all__ = [
    "Palette",
    "Pixels",
    "find_palette",
    "merge_palettes",
    "palette_names",
    "parse_palette",
    "sort_colours",
    "to_grey",
]
