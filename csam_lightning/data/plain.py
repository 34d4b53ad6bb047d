"""Files whose pixels all versions read alike, recognised by their first bytes."""

import struct

from csam_lightning.data.damage import PNG_SIGNATURE

READING = 1
"""Version of how pixels of other files become grey: raise it when that changes."""
PNG_COLOUR_TYPE = 25  # place of the byte in the file
BMP_PALETTE, BMP_BITS = 54, 28  # places
SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers that tell the number of components


def is_plain_grey(data: bytes) -> bool:
    """Return whether a file is a grey PNG, BMP or JPEG: one without colours, palette or kinds of TIFF."""
    if data.startswith(PNG_SIGNATURE):
        return data[PNG_COLOUR_TYPE : PNG_COLOUR_TYPE + 1] == b"\0"
    if data.startswith(b"BM") and len(data) > BMP_PALETTE:
        ramp = b"".join(bytes((level, level, level, 0)) for level in range(256))
        eight_bits = struct.unpack_from("<H", data, BMP_BITS)[0] == 8  # noqa: PLR2004 -- bits
        return eight_bits and data[BMP_PALETTE : BMP_PALETTE + len(ramp)] == ramp
    return data.startswith(b"\xff\xd8") and _components(data) == 1


def _components(data: bytes) -> int | None:
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 -- every marker begins so
        if data[at + 1] in SIZES:
            return data[at + 9]
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None
