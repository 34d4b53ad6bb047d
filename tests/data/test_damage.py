"""Files whose end was lost: cut off, or filled with zero bytes."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csam_lightning.data.images import read_grey
from csam_lightning.errors import InputError

GREY = np.random.default_rng(0).integers(0, 256, (80, 90), dtype=np.uint8)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {}),
    "jpeg": ("JPEG", {"quality": 90}),
    "progressive": ("JPEG", {"progressive": True}),
    "deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "packbits": ("TIFF", {"compression": "packbits"}),
    "jpeg in tiff": ("TIFF", {"compression": "jpeg"}),
}


def encoded(way: str, picture: Image.Image | None = None) -> bytes:
    form, settings = WAYS[way]
    stream = io.BytesIO()
    (picture or Image.fromarray(GREY)).save(stream, form, **settings)
    return stream.getvalue()


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_grey(path)
    said = str(caught.value)
    assert said.startswith((f"{path}: is a damaged image (", f"{path}: is no image; "))
    assert "\n" not in said
    return said


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_a_tail_of_zeros_is_no_picture(tmp_path: Path, way: str, share: float, colour: bool) -> None:
    picture = Image.fromarray(np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)) if colour else None
    data = encoded(way, picture)
    kept = int(len(data) * share)
    if way == "jpeg in tiff" and share > 0.9:
        pytest.skip("nothing but resolutions stands there")
    refused(tmp_path / "scan", data[:kept] + bytes(len(data) - kept))


@pytest.mark.parametrize("share", [0.5, 0.8])
@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"lzw", "progressive"}])
def test_zeros_in_the_middle_are_no_picture(tmp_path: Path, way: str, share: float) -> None:
    data = bytearray(encoded(way, Image.fromarray(np.tile(GREY, (3, 3)))))
    at = int(len(data) * share)
    data[at : at + 512] = bytes(512)
    refused(tmp_path / "scan", bytes(data))


@pytest.mark.parametrize(
    "settings", [{"optimize": True}, {"progressive": True}, {"quality": 5}, {"optimize": True, "quality": 30}]
)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_jpeg_that_is_flat_over_most_of_it_is_sound(tmp_path: Path, settings: dict[str, Any], level: int) -> None:
    flat = np.full((800, 900), level, dtype=np.uint8)
    flat[:40, :40] = GREY[:40, :40]
    Image.fromarray(flat).save(tmp_path / "scan", "JPEG", **settings)
    assert abs(read_grey(tmp_path / "scan")[400:].astype(int) - level).max() <= 8


@pytest.mark.parametrize("way", WAYS)
def test_whole_files_and_zeros_behind_their_end_are_read(tmp_path: Path, way: str) -> None:
    (tmp_path / "whole").write_bytes(encoded(way))
    (tmp_path / "padded").write_bytes(encoded(way) + bytes(5000))
    assert np.array_equal(read_grey(tmp_path / "whole"), read_grey(tmp_path / "padded"))
    black = Image.fromarray(np.zeros((80, 90), dtype=np.uint8))
    (tmp_path / "black").write_bytes(encoded(way, black))
    assert read_grey(tmp_path / "black").max() == 0


def test_messages_tell_what_is_missing(tmp_path: Path) -> None:
    end = "; copy or export the image again"
    data = encoded("png")
    cut = data[:-12] + bytes(12)
    assert refused(tmp_path / "scan", cut).endswith(f"is a damaged image (its end is missing){end}")
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    assert refused(tmp_path / "scan", bytes(flipped)).endswith(f"(the checksum of its chunk IDAT is wrong){end}")
    data = encoded("jpeg")
    assert refused(tmp_path / "scan", data[:-2]).endswith(f"is a damaged image (its end is missing){end}")


def test_jpeg_tables_of_a_tiff_must_be_whole(tmp_path: Path) -> None:
    data = encoded("jpeg in tiff")
    with Image.open(io.BytesIO(data)) as image:
        tables = bytes(image.tag_v2[347])  # type: ignore[attr-defined]
    lost = data.replace(tables, tables[:-100] + bytes(100))
    assert lost != data
    assert "is a damaged image (its JPEG tables are damaged)" in refused(tmp_path / "scan", lost)


def test_an_ancillary_chunk_may_have_a_wrong_checksum(tmp_path: Path) -> None:
    data = encoded("png")
    chunk = struct.pack(">I4s", 2, b"prVt") + b"xy" + struct.pack(">I", zlib.crc32(b"other"))
    (tmp_path / "scan").write_bytes(data[:-12] + chunk + data[-12:])
    assert np.array_equal(read_grey(tmp_path / "scan"), GREY)


def test_a_thumbnail_inside_is_not_the_end_of_a_jpeg(tmp_path: Path) -> None:
    data = encoded("jpeg")
    inner = encoded("jpeg", Image.fromarray(GREY[:16, :16]))
    segment = b"\xff\xe3" + struct.pack(">H", 2 + len(inner)) + inner
    whole = data[:2] + segment + data[2:]
    (tmp_path / "scan").write_bytes(whole)
    assert read_grey(tmp_path / "scan").shape == GREY.shape
    half = len(whole) * 2 // 3
    refused(tmp_path / "scan", whole[:half] + bytes(len(whole) - half))


def test_a_jpeg_of_hundreds_of_scans_is_refused(tmp_path: Path) -> None:
    data = encoded("progressive")
    last = data[data.rfind(b"\xff\xda") : -2]
    (tmp_path / "scan").write_bytes(data)
    read_grey(tmp_path / "scan")
    assert "it has more than 100 scans" in refused(tmp_path / "scan", data[:-2] + last * 200 + data[-2:])


def test_run_length_bmp_needs_its_end_mark(tmp_path: Path) -> None:
    rows = b"".join(bytes((20, 30 + row, 20, 200, 0, 0)) for row in range(40))
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))

    def bmp(data: bytes) -> bytes:
        start = 54 + len(palette)
        head = struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start)
        return head + struct.pack("<IiiHHIIiiII", 40, 40, 40, 1, 8, 1, len(data), 0, 0, 256, 0) + palette + data

    whole = bmp(rows[:-2] + b"\0\1")
    (tmp_path / "scan").write_bytes(whole)
    assert read_grey(tmp_path / "scan")[0, 39] == 200
    refused(tmp_path / "scan", whole[:-120] + bytes(120))
