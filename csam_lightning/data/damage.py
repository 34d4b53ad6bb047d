"""Image files whose end was lost: cut off, or filled with zero bytes as after a power cut or half a copy.

Decoders give half a picture of such a file without an error, so what each format promises is checked:

- PNG: the checksum of every critical chunk, and the chunk IEND.
- JPEG: the marker EOI behind the compressed data, and no long run of zero bytes in them unless their Huffman codes
  allow one. Those of progressive and of flat pictures do: zeros in the middle of such a file are not noticed. More
  than ``MOST_SCANS`` scans are refused too: no encoder writes so many, and thousands take minutes to decode.
- TIFF: deflate strips must end with their checksum. LZW strips end with no long run of zero bytes and PackBits
  strips hold none, since no encoder writes them; JPEG strips are checked as JPEG files are, and JPEG tables must end
  with EOI. Every strip must have a place in the file, and all rows a strip.
- BMP: run-length data must end with their end mark.

Zero bytes behind the end are padding, and sound. An uncompressed TIFF or BMP whose end is zero looks the same as one
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
DHT, SOS, EOI, ALONE = 0xC4, 0xDA, 0xD9, {0x01, *range(0xD0, 0xD9)}
ZERO_RUN = 16  # bytes: more zero codes than LZW, and more literal zeros than PackBits, ever write
JPEG_ZERO_RUN = 32  # bytes: 256 bits, more than one block of nothing but the shortest codes takes
STRIPS, TILES = (273, 279), (324, 325)  # tags of offsets and of byte counts
COMPRESSION, JPEG_TABLES = 259, 347
HEIGHT, ROWS_PER_STRIP = 257, 278
JPEG_END = b"\xff\xd9"
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
    first: dict[int, int] = {}
    while at + 4 <= len(data) or data[at : at + 2] == b"\xff\xd9":
        if data[at] != 0xFF:  # noqa: PLR2004 -- every marker begins so
            break
        marker = data[at + 1]
        if marker == EOI:
            return None
        if marker == 0xFF:  # noqa: PLR2004 -- a fill byte
            at += 1
            continue
        start = at + 4
        at += 2 if marker in ALONE else 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == DHT:
            first |= _zero_codes(data[start:at])
        if marker == SOS:
            scans += 1
            if scans > MOST_SCANS:
                return f"it has more than {MOST_SCANS} scans"
            found = MARKER.search(data, at)
            if found is None:
                break
            if not _may_be_zero(data[start:at], first) and data.find(bytes(JPEG_ZERO_RUN), at, found.start()) >= 0:
                return "zero bytes stand in its compressed data"
            at = found.start()
    return "its end is missing"


def _zero_codes(tables: bytes) -> dict[int, int]:
    """Return what the code of zero bits stands for in each Huffman table of a segment DHT (ITU-T T.81, B.2.4.2)."""
    found, at = {}, 0
    while at + 17 < len(tables):
        found[tables[at]] = tables[at + 17]
        at += 17 + sum(tables[at + 1 : at + 17])
    return found


def _may_be_zero(header: bytes, first: Mapping[int, int]) -> bool:
    """Return whether a scan's data may be zero bits for long: bits without codes, or codes of flat blocks.

    Args:
        header: Of the scan, without marker and length (ITU-T T.81, B.2.3).
        first: See :func:`_zero_codes`; tables above 15 are those of AC coefficients.
    """
    start, end, refined = header[-3], header[-2], header[-1] >> 4
    flat = any(symbol == 0 for table, symbol in first.items() if table < 16)  # noqa: PLR2004 -- of DC coefficients
    ends = any(symbol & 15 == 0 and symbol < 0xF0 for table, symbol in first.items() if table >= 16)  # noqa: PLR2004
    if refined:
        return True
    return (flat or start > 0) and (ends or end == 0)


def _tiff_damage(data: bytes, tags: Mapping[int, Any]) -> str | None:
    compression, tables = tags.get(COMPRESSION, 1), bytes(tags.get(JPEG_TABLES, b""))
    if _lacks_strips(tags):
        return "its list of strips is damaged"
    if compression == JPEG and tables and not tables.endswith(JPEG_END):
        return "its JPEG tables are damaged"
    for number, strip in enumerate(_strips(data, tags)):
        if compression in DEFLATE:
            lost = not _inflates(strip)
        elif compression == LZW:
            lost = bytes(strip[-ZERO_RUN:]) == bytes(ZERO_RUN)
        elif compression == PACKBITS:
            lost = bytes(ZERO_RUN) in bytes(strip)
        elif compression == JPEG:
            lost = _jpeg_damage(tables[:-2] + bytes(strip)[2:] if tables else bytes(strip)) is not None
        else:
            return None
        if lost:
            return f"the end of its strip {number + 1} is missing"
    return None


def _lacks_strips(tags: Mapping[int, Any]) -> bool:
    """Return whether a strip stands nowhere, or strips are too few for the picture's rows."""
    offsets, counts = (tags.get(tag, ()) for tag in (TILES if TILES[0] in tags else STRIPS))
    if not all(offsets) or not all(counts):
        return True
    rows = int(tags.get(ROWS_PER_STRIP) or 0)
    return TILES[0] not in tags and 0 < len(offsets) * rows < tags[HEIGHT]


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
