"""Kinds of TIFF, written byte by byte with known pixels after TIFF 6.0."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from csam_lightning.data.images import read_grey
from csam_lightning.errors import InputError

SIDE = 32
RAMP: NDArray[np.int64] = np.tile(np.arange(SIDE), (SIDE, 1)) * 8
KINDS = "save it as 8- or 16-bit grey, RGB or palette"


def tiff(path: Path, data: bytes, tags: Mapping[int, int | list[int]], order: str = "<") -> Path:
    """Write a TIFF of one strip; tags are short numbers."""
    height = {256: SIDE, 257: SIDE, 259: 1, 273: 8, 277: 1, 278: SIDE, 279: len(data)}
    entries, after = b"", b""
    start = 8 + len(data)
    for tag, value in sorted({**height, **tags}.items()):
        values = value if isinstance(value, list) else [value]
        raw = struct.pack(f"{order}{len(values)}H", *values)
        if len(raw) > 4:
            raw, after = struct.pack(f"{order}I", start + len(after)), after + raw
        entries += struct.pack(f"{order}HHI", tag, 3, len(values)) + raw.ljust(4, b"\0")
    directory = struct.pack(f"{order}H", len(entries) // 12) + entries + bytes(4)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(magic + struct.pack(f"{order}I", start + len(after)) + data + after + directory)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_grey(path)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero(tmp_path: Path, bits: int, compression: int) -> None:
    stored = (255 - RAMP).astype("u1") if bits == 8 else (65535 - RAMP * 257).astype("<u2")
    data = zlib.compress(stored.tobytes()) if compression == 8 else stored.tobytes()
    file = tiff(tmp_path / "scan.tif", data, {258: bits, 259: compression, 262: 0})
    assert np.array_equal(read_grey(file), RAMP)


def test_white_is_zero_with_samples_that_do_not_show_their_range(tmp_path: Path) -> None:
    file = tiff(tmp_path / "scan.tif", (4095 - RAMP * 16).astype("<u2").tobytes(), {258: 16, 262: 0})
    what = "holds 16-bit samples up to 4095 of which 0 is white; black may be 4095 or 65535"
    assert refusal(file) == f"{what}; save it with 0 as black"


def test_strips_that_stand_nowhere_or_are_too_few(tmp_path: Path) -> None:
    data = RAMP.astype("u1").tobytes()
    for tags in ({273: 0}, {279: 0}, {278: SIDE // 2}):
        file = tiff(tmp_path / "scan.tif", data, {258: 8, 262: 1, **tags})
        assert "is a damaged image (its list of strips is damaged)" in refusal(file)


def test_of_signed_samples_only_those_that_are_not_negative_are_read(tmp_path: Path) -> None:
    file = tiff(tmp_path / "scan.tif", (RAMP - 128).astype("i1").tobytes(), {258: 8, 262: 1, 339: 2})
    mend = "add 128 to them and save it as unsigned 8-bit grey"
    assert refusal(file) == f"holds signed samples from -128 to 120; {mend}"
    file = tiff(tmp_path / "scan.tif", (RAMP // 2).astype("i1").tobytes(), {258: 8, 262: 1, 339: 2})
    assert np.array_equal(read_grey(file), RAMP // 2)
    file = tiff(tmp_path / "scan.tif", (RAMP - 128).astype("<i2").tobytes(), {258: 16, 262: 1, 339: 2})
    assert refusal(file) == "holds values from -128 to 120, not 16-bit grey; save it as unsigned 16-bit grey"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("scale", [1, 256, 257])
def test_colour_maps_of_eight_and_of_sixteen_bits(tmp_path: Path, scale: int, order: str) -> None:
    tags: dict[int, int | list[int]] = {258: 8, 262: 3, 320: [level * scale for level in range(256)] * 3}
    file = tiff(tmp_path / "scan.tif", RAMP.astype("u1").tobytes(), tags, order)
    assert np.array_equal(read_grey(file), RAMP)


def test_what_zero_means_must_be_stated(tmp_path: Path) -> None:
    file = tiff(tmp_path / "scan.tif", RAMP.astype("u1").tobytes(), {258: 8})
    said = "does not state whether 0 is black or white (tag PhotometricInterpretation); export the image again"
    assert refusal(file) == said


@pytest.mark.parametrize("planes", [1, 2])
def test_colour_of_sixteen_bits_is_refused(tmp_path: Path, planes: int) -> None:
    data = np.repeat(RAMP[..., np.newaxis] * 16, 3, axis=2).astype("<u2")
    tags: dict[int, int | list[int]] = {258: [16] * 3, 262: 2, 277: 3, 284: planes}
    said = refusal(tiff(tmp_path / "scan.tif", data.tobytes(), tags))
    assert said.endswith("16 bits a channel; save it as 16-bit grey, or with 8 bits a channel")


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({258: 16, 262: 1, 339: 3}, "1 sample of 16 floating-point bits, meaning 1"),
        ({258: [16, 16], 262: 1, 277: 2, 338: 2}, "2 samples of 16 bits, meaning 1"),
        ({258: 16, 262: 3, 320: [0] * 6}, "1 sample of 16 bits, meaning 3"),
    ],
)
def test_kinds_that_are_not_read_are_named(tmp_path: Path, tags: dict[int, int | list[int]], kind: str) -> None:
    file = tiff(tmp_path / "scan.tif", bytes(SIDE * SIDE * 4), tags)
    assert refusal(file) == f"holds pixels of a kind not read (TIFF with {kind}); {KINDS}"


def test_twelve_packed_bits(tmp_path: Path) -> None:
    samples = RAMP * 16
    bits = ((samples[..., np.newaxis] >> np.arange(11, -1, -1)) & 1).astype(np.uint8)
    file = tiff(tmp_path / "scan.tif", np.packbits(bits.reshape(SIDE, -1), axis=1).tobytes(), {258: 12, 262: 1})
    assert np.abs(read_grey(file) - samples * 255 / 4095).max() <= 0.51
