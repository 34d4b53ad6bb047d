"""Image files whose end was lost: cut off, or filled with zero bytes as after a power cut or half a copy.

Decoders give half a picture of such a file without an error, so what each format promises is checked:

- PNG: the checksum of every critical chunk, and the chunk IEND.
- JPEG: the marker EOI behind the compressed data. More than ``MOST_SCANS`` scans are refused too: no encoder writes so
  many, and a small file of thousands takes minutes to decode.
- TIFF: deflate strips must end with their checksum. LZW, PackBits and JPEG strips end with no long run of zero bytes,
  which no encoder writes there.
- BMP: run-length data must end with their end mark.

Zero bytes behind the end are padding, and sound. An uncompressed TIFF or BMP whose end is zero cannot be told from one
that is black there.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

MOST_SCANS = 100
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in compressed data: no stuffed byte, fill byte or restart
SOS, EOI, ALONE = 0xDA, 0xD9, {0x01, *range(0xD0, 0xD9)}
ZERO_RUN = 16  # bytes: more zero codes than LZW, and more literal zeros than PackBits, ever write
STRIPS, TILES = (273, 279), (324, 325)  # tags of offsets and of byte counts
COMPRESSION = 259
LZW, JPEG, DEFLATE, PACKBITS = 5, 7, (8, 32946), 32773
RLE = (1, 2)  # compressions of BMP
RLE_END = b"\x00\x01"
PIECE = 1 << 20  # bytes decompressed at a time


def damage_in(data: bytes, form: str, tags: Mapping[int, Any]) -> str | None:
    """Return what shows that the end of an image file was lost, None where nothing does.

    Args:
        data: The file.
        form: Its format, as Pillow calls it.
        tags: Those of a TIFF.
    """
    if form == "PNG":
        return _png_damage(data)
    if form == "JPEG":
        return _jpeg_damage(data)
    if form == "TIFF":
        return _tiff_damage(data, tags)
    if form == "BMP" and len(data) > 34 and struct.unpack_from("<I", data, 30)[0] in RLE:  # noqa: PLR2004 -- its header
        return None if data.rstrip(b"\0").endswith(RLE_END) else "its run-length data have no end mark"
    return None


def _png_damage(data: bytes) -> str | None:
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if not kind.isalpha() or end + 4 > len(data):
            break
        if kind[:1].isupper() and struct.unpack_from(">I", data, end)[0] != zlib.crc32(memoryview(data)[at + 4 : end]):
            return f"the checksum of its chunk {kind.decode()} is wrong"
        if kind == b"IEND":
            return None
        at = end + 4
    return "its end is missing"


def _jpeg_damage(data: bytes) -> str | None:
    at, scans = 2, 0
    while at + 4 <= len(data) or data[at : at + 2] == b"\xff\xd9":
        if data[at] != 0xFF:  # noqa: PLR2004 -- every marker begins so
            break
        marker = data[at + 1]
        if marker == EOI:
            return None
        if marker == 0xFF:  # noqa: PLR2004 -- a fill byte
            at += 1
            continue
        at += 2 if marker in ALONE else 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == SOS:
            scans += 1
            if scans > MOST_SCANS:
                return f"it has more than {MOST_SCANS} scans"
            found = MARKER.search(data, at)
            if found is None:
                break
            at = found.start()
    return "its end is missing"


def _tiff_damage(data: bytes, tags: Mapping[int, Any]) -> str | None:
    compression = tags.get(COMPRESSION, 1)
    for number, strip in enumerate(_strips(data, tags)):
        if compression in DEFLATE:
            lost = not _inflates(strip)
        elif compression in (LZW, PACKBITS):
            lost = bytes(strip[-ZERO_RUN:]) == bytes(ZERO_RUN)
        elif compression == JPEG:
            lost = _jpeg_damage(bytes(strip)) is not None
        else:
            return None
        if lost:
            return f"the end of its strip {number + 1} is missing"
    return None


def _strips(data: bytes, tags: Mapping[int, Any]) -> Iterator[memoryview]:
    offsets, counts = TILES if TILES[0] in tags else STRIPS
    for offset, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False):
        yield memoryview(data)[offset : offset + count]


def _inflates(strip: memoryview) -> bool:
    """Return whether deflate data end as they must, their checksum included, a piece in memory at a time."""
    inflater, rest = zlib.decompressobj(), bytes(strip)
    try:
        while rest and not inflater.eof:
            inflater.decompress(rest, PIECE)
            rest = inflater.unconsumed_tail
    except zlib.error:
        return False
    return inflater.eof
