"""Decoding: every kind of file that is read, and every way in which a file can be bad."""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile

from csam_lightning.data import images
from csam_lightning.data.images import range_of, read_bytes, read_grey, read_image, resize_grey, survey_image
from csam_lightning.errors import InputError

GREY: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
COLOUR: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
RAMP: NDArray[np.uint16] = np.linspace(0, 4095, 600).astype(np.uint16).reshape(20, 30)
DAMAGED = "copy or export the image again"


def luma(colour: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(colour @ np.array([0.299, 0.587, 0.114]), dtype=np.float64)


# What is read


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "bmp", "TIF"])
def test_grey_files_are_read_as_they_are(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan.{suffix}"
    Image.fromarray(GREY).save(path)
    pixels = read_grey(path)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, GREY)
    assert np.array_equal(pixels, np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)))


def test_jpeg(tmp_path: Path) -> None:
    smooth = cv2.GaussianBlur(GREY, (0, 0), 4)
    Image.fromarray(smooth).save(tmp_path / "scan.jpg", quality=95)
    assert np.abs(read_grey(tmp_path / "scan.jpg").astype(int) - smooth).max() <= 4


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_colour_becomes_luma(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan.{suffix}"
    Image.fromarray(COLOUR).save(path)
    assert np.abs(read_grey(path) - luma(COLOUR)).max() <= 1
    assert read_image(path).mode == "colour"


def test_colour_counts_beneath_alpha(tmp_path: Path) -> None:
    alpha = np.random.default_rng(2).integers(0, 256, (20, 30, 1), dtype=np.uint8)
    Image.fromarray(np.concatenate([COLOUR, alpha], axis=2)).save(tmp_path / "scan.png")
    assert np.abs(read_grey(tmp_path / "scan.png") - luma(COLOUR)).max() <= 1
    Image.fromarray(np.stack([GREY, alpha[..., 0]], axis=2), mode="LA").save(tmp_path / "grey.png")
    assert np.array_equal(read_grey(tmp_path / "grey.png"), GREY)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_palettes_are_looked_up(tmp_path: Path, suffix: str) -> None:
    palette = np.random.default_rng(3).integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(GREY)
    image.putpalette(palette.tobytes())
    image.save(tmp_path / f"scan.{suffix}")
    assert read_image(tmp_path / f"scan.{suffix}").mode == "palette"
    assert np.abs(read_grey(tmp_path / f"scan.{suffix}") - luma(palette[GREY])).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_one_bit_images_are_black_and_white(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(GREY > 127).save(tmp_path / f"scan.{suffix}")
    assert np.array_equal(read_grey(tmp_path / f"scan.{suffix}"), np.where(GREY > 127, 255, 0))
    assert read_image(tmp_path / f"scan.{suffix}").mode == "1-bit"


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("bits", "levels"), [(8, 256), (10, 64), (12, 256), (14, 64), (16, 256)])
def test_sixteen_bit_scans_keep_their_contrast(tmp_path: Path, suffix: str, bits: int, levels: int) -> None:
    samples = np.linspace(0, 2**bits - 1, 2**12).round().astype(np.uint16).reshape(64, 64)
    path = tmp_path / f"scan.{suffix}"
    cv2.imwrite(str(path), samples)
    pixels = read_grey(path)
    reach = {8: 8, 10: 12, 12: 12, 14: 16, 16: 16}[bits]
    assert np.abs(pixels - samples * 255.0 / (2**reach - 1)).max() <= 0.5 + 1e-4
    assert len(np.unique(pixels)) == pytest.approx(levels, abs=1)
    assert read_image(path).mode == "16-bit grey"
    assert range_of([read_image(path).peak]) == reach


def test_sixteen_bit_gain_is_kept_between_scans(tmp_path: Path) -> None:
    for name, gain in (("full.png", 1.0), ("half.png", 0.5)):
        cv2.imwrite(str(tmp_path / name), (RAMP * gain).astype(np.uint16))
    full, half = read_grey(tmp_path / "full.png"), read_grey(tmp_path / "half.png")
    assert full.max() == 255
    assert np.abs(full * 0.5 - half).max() <= 1


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_range_that_is_given_counts(tmp_path: Path, bits: int) -> None:
    samples = RAMP // 2
    cv2.imwrite(str(tmp_path / "scan.png"), samples)
    expected = (samples * 255.0 / (2**bits - 1)).clip(0, 255)
    pixels = read_grey(tmp_path / "scan.png", sample_bits=bits)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels - expected).max() <= 0.5 + 1e-4


def test_a_range_concerns_no_other_kind_of_pixels(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "scan.png")
    assert np.array_equal(read_grey(tmp_path / "scan.png", sample_bits=16), GREY)
    assert read_image(tmp_path / "scan.png").peak is None


@pytest.mark.parametrize(
    ("peaks", "bits"),
    [
        ([], None),
        ([None, None], None),
        ([0], 8),
        ([255, None], 8),
        ([3, 256], 12),
        ([4095], 12),
        ([4095, 4096], 16),
        ([65535], 16),
    ],
)
def test_the_range_holds_the_brightest_sample(peaks: list[int | None], bits: int | None) -> None:
    assert range_of(peaks) == bits


def test_peaks_of_sixteen_bit_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), RAMP)
    (tmp_path / "big.tif").write_bytes(big_endian_tiff(RAMP // 3))
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    assert survey_image(tmp_path / "deep.png") == (4095, None)
    assert survey_image(tmp_path / "big.tif") == (1365, None)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("a file was decoded"))
    assert survey_image(tmp_path / "grey.png") == (None, None)


def test_big_endian_sixteen_bit_tiff(tmp_path: Path) -> None:
    (tmp_path / "big.tif").write_bytes(big_endian_tiff(RAMP))
    cv2.imwrite(str(tmp_path / "little.png"), RAMP)
    assert np.array_equal(read_grey(tmp_path / "big.tif"), read_grey(tmp_path / "little.png"))


def big_endian_tiff(samples: NDArray[np.uint16]) -> bytes:
    """Return an uncompressed TIFF in Motorola byte order, after TIFF 6.0, section 2."""
    height, width = samples.shape
    data = samples.astype(">u2").tobytes()
    tags = [(256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, height)]
    tags.append((279, len(data)))
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    return b"MM\x00\x2a" + struct.pack(">I", 8 + len(data)) + data + struct.pack(">H", len(tags)) + entries + bytes(4)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90° clockwise to view"
    Image.fromarray(GREY).save(tmp_path / "scan.png", exif=exif)
    assert np.array_equal(read_grey(tmp_path / "scan.png"), np.rot90(GREY, -1))


def test_the_first_of_several_pages_is_read(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(read_grey(tmp_path / "scan.tif"), GREY)
    assert read_image(tmp_path / "scan.tif").pages == 2


def test_what_counts_is_the_content_not_the_extension(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "scan.png")
    (tmp_path / "scan.png").rename(tmp_path / "scan.jpg")
    assert np.array_equal(read_grey(tmp_path / "scan.jpg"), GREY)


def test_equal_pictures_have_equal_hashes_whatever_their_format(tmp_path: Path) -> None:
    hashes = set()
    for name, pixels in (("a.png", GREY), ("b.bmp", GREY), ("c.tif", GREY), ("d.png", GREY.reshape(30, 20))):
        Image.fromarray(pixels).save(tmp_path / name)
        hashes.add(read_image(tmp_path / name).picture_hash)
    assert len(hashes) == 2


def test_hashes_of_sixteen_bit_pictures_tell_apart_what_eight_bits_would_not(tmp_path: Path) -> None:
    deep, shallow = GREY.astype(np.uint16), np.zeros_like(RAMP)
    pictures = {
        "deep": {"a.png": RAMP, "a.tif": RAMP},
        "near": {"b.png": RAMP - (RAMP.max() == RAMP)},
        "eight bits": {"c.png": GREY, "d.png": deep, "e.png": deep * 257, "e.tif": deep * 257},
        "black": {"f.png": shallow, "f.bmp": shallow.astype(np.uint8)},
    }
    hashes = {}
    for kind, files in pictures.items():
        for name, pixels in files.items():
            assert cv2.imwrite(str(tmp_path / name), pixels)
        hashes[kind] = {read_image(tmp_path / name).picture_hash for name in files}
    assert [len(found) for found in hashes.values()] == [1, 1, 1, 1]
    assert len(set.union(*hashes.values())) == 4


# What is not


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_grey(path)
    return str(caught.value)


def encoded(form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, form)
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size that its few bytes of pixels do not fill."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    assert message(path) == f"{path}: no such file; correct its path, or the link that it is"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    assert message(path) == f"{path}: is no file; name an image file"


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    path.touch()
    assert message(path) == f"{path}: is empty (0 bytes); {DAMAGED}"


@pytest.mark.parametrize("content", [b"notes", b"GIF89a" + bytes(100), b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(1000)])
def test_files_that_are_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(content)
    assert message(path) == f"{path}: is no image; save it as PNG, TIFF, BMP, JPEG"


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "JPEG"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_images(tmp_path: Path, form: str, share: float) -> None:
    path = tmp_path / "scan"
    data = encoded(form)
    path.write_bytes(data[: int(len(data) * share)])
    said = message(path)
    assert said.startswith((f"{path}: is a damaged image (", f"{path}: is no image; "))
    assert "\n" not in said


def test_damaged_png_data(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(png_claiming(100, 100))
    assert message(path).startswith(f"{path}: is a damaged image (")


@pytest.mark.parametrize("side", [9_500, 12_000, 60_000, 2**31 - 1])
def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path, side: int) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(png_claiming(side, side))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        said = message(path)
    assert said.startswith(f"{path}: is too large (")
    assert said.endswith("; cut or scale the image down")


def test_the_largest_image_allowed_is_below_the_limit_of_pillow() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert images.MAX_PIXELS < Image.MAX_IMAGE_PIXELS


def test_huge_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "scan.bmp"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    assert message(path) == f"{path}: is too large (more than 1073741824 bytes); cut or scale the image down"


def test_tiny_images(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    Image.fromarray(GREY[:7]).save(path)
    assert message(path) == f"{path}: measures 30x7 pixels; give images of at least 8x8 pixels"
    Image.fromarray(GREY[:8, :8]).save(path)
    assert read_grey(path).shape == (8, 8)


def test_floating_point_and_print_colours_are_not_read(tmp_path: Path) -> None:
    mend = "save it as 8- or 16-bit grey, RGB or palette"
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "float.tif")
    assert message(tmp_path / "float.tif") == f"{tmp_path / 'float.tif'}: holds pixels of a kind not read (F); {mend}"
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "print.jpg")
    assert (
        message(tmp_path / "print.jpg") == f"{tmp_path / 'print.jpg'}: holds pixels of a kind not read (CMYK); {mend}"
    )


@pytest.mark.parametrize(("low", "high"), [(-5, 300), (0, 70_000)])
def test_thirty_two_bit_integers_beyond_sixteen_bits(tmp_path: Path, low: int, high: int) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(np.linspace(low, high, 600).astype(np.int32).reshape(20, 30)).save(path)
    mend = "save it as unsigned 16-bit grey"
    assert message(path) == f"{path}: holds values from {low} to {high}, not 16-bit grey; {mend}"


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Draw arbitrary bytes, or an image file with some bytes changed and the end cut off."""
    if draw(st.booleans()):
        return draw(st.binary(min_size=1, max_size=300))
    data = bytearray(encoded(draw(st.sampled_from(["PNG", "TIFF", "BMP", "JPEG"]))))
    for _ in range(draw(st.integers(0, 8))):
        data[draw(st.integers(0, min(len(data), 200) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(1, len(data)))])


@settings(max_examples=400)
@given(data=broken())
def test_no_bytes_raise_anything_but_an_input_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "broken"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pixels = read_grey(path)
        except InputError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 -- reading may as well succeed
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 2


# Resizing


@given(height=st.integers(8, 90), width=st.integers(8, 90), side=st.integers(8, 60), grey=st.integers(0, 255))
@settings(max_examples=50)
def test_a_flat_image_stays_flat(height: int, width: int, side: int, grey: int) -> None:
    resized = resize_grey(np.full((height, width), grey, dtype=np.uint8), side)
    assert resized.shape == (side, side)
    assert resized.dtype == np.uint8
    assert (resized == grey).all()


def test_lines_finer_than_the_new_pixels_do_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (400, 200))
    inner = resize_grey(stripes, 97)[2:-2, 2:-2]
    assert np.abs(inner.astype(float) - 127.5).max() <= 4


def test_resizing_agrees_with_averaging_over_areas() -> None:
    smooth = cv2.GaussianBlur(np.random.default_rng(4).random((400, 400)), (0, 0), 12)
    pixels = np.interp(smooth, (smooth.min(), smooth.max()), (0, 255)).astype(np.uint8)
    expected = cv2.resize(pixels, (100, 100), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(resize_grey(pixels, 100) - expected).max() <= 3


def test_a_scan_that_is_not_square_is_stretched() -> None:
    wide = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None], 50, axis=0)
    resized = resize_grey(wide, 50).astype(float)
    assert np.abs(resized - resized[0]).max() == 0
    assert np.abs(resized[0, 2:-2] - np.linspace(0, 255, 200).reshape(50, 4).mean(axis=1)[2:-2]).max() <= 2


def test_a_file_that_the_system_hands_over_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(bytes(range(256)))
    usual = os.read
    monkeypatch.setattr(os, "read", lambda file, size: usual(file, min(size, 100)))
    assert read_bytes(path) == bytes(range(256))


def test_a_file_that_is_cut_off_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(bytes(range(256)))
    usual = os.read

    def cut_off(file: int, size: int) -> bytes:
        read = usual(file, min(size, 100))
        os.truncate(path, 150)
        return read

    monkeypatch.setattr(os, "read", cut_off)
    assert read_bytes(path) == bytes(range(150))
