"""Decoded scans in the cache: made once, shared, and made anew when anything that matters changes."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import IO, TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image

from csam_lightning.data import scans as module
from csam_lightning.data.hashes import Hashes
from csam_lightning.data.images import decode_image
from csam_lightning.data.manifest import load_manifest
from csam_lightning.data.row_file import ARRAY
from csam_lightning.data.scans import cached_scans, fingerprint
from csam_lightning.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from csam_lightning.data.images import GreyImage
    from csam_lightning.data.manifest import Manifest
    from tests.data.conftest import DataFolder

ROWS = ("a.png,A,P1,0", "b.png,B,P2,100", "c.png,A,P3,100")
HEADER = "path,label,package_id,cycles"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def manifest_of(folder: "DataFolder") -> "Manifest":
    return load_manifest(folder.root, classes=None, package_pattern=None, need_packages=True)


def listed(folder: "DataFolder") -> "Manifest":
    folder.listed(*ROWS, header=HEADER)
    return manifest_of(folder)


def tree_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def fail(*_: object, **__: object) -> None:
    pytest.fail("an image was decoded again")


def test_scans_stand_in_the_manifests_order(folder: "DataFolder", cache: Path) -> None:
    scans = cached_scans(listed(folder), 16, cache)
    assert scans.array.shape == (3, 16, 16)
    assert scans.array.dtype == np.uint8
    assert isinstance(scans.array, np.memmap)
    for name, pixels in zip(("a.png", "b.png", "c.png"), scans.array, strict=True):
        original = cv2.imread(str(folder.root / name), cv2.IMREAD_GRAYSCALE)
        assert original is not None
        assert pixels.astype(float).mean() == pytest.approx(original.mean(), abs=4)
        assert np.corrcoef(pixels.ravel(), cv2.resize(original, (16, 16)).ravel())[0, 1] > 0.9


def test_an_image_of_the_wanted_size_is_unchanged(folder: "DataFolder", cache: Path) -> None:
    manifest = listed(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(pixels).save(folder.root / "b.png")
    assert np.array_equal(cached_scans(manifest, 16, cache).array[1], pixels)


@pytest.mark.parametrize("together", [1, 2, 4096])
def test_the_fingerprint_is_the_hash_of_what_the_data_set_means(
    folder: "DataFolder", monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """Spelt out, since runs that were tracked long ago are told apart by it."""
    folder.listed(*ROWS[:2], "c.png,A,P3,", header=HEADER)
    monkeypatch.setattr(module, "ROWS_TOGETHER", together)
    meaning = {
        "classes": ["A", "B"],
        "columns": ["label", "package_id", "metallization", "cycles", "split"],
        "files": [
            hashlib.sha256((folder.root / name).read_bytes()).hexdigest() for name in ("a.png", "b.png", "c.png")
        ],
        "rows": [["A", "P1", None, 0, "train"], ["B", "P2", None, 100, "train"], ["A", "P3", None, None, "train"]],
    }
    assert fingerprint(manifest_of(folder)) == hashlib.sha256(json.dumps(meaning).encode()).hexdigest()


def test_the_array_is_read_only(folder: "DataFolder", cache: Path) -> None:
    scans = cached_scans(listed(folder), 16, cache)
    with pytest.raises(ValueError, match="read-only"):
        scans.array[0, 0, 0] = 1


def test_a_second_call_decodes_nothing(folder: "DataFolder", cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cached_scans(listed(folder), 16, cache)
    monkeypatch.setattr(module, "decode_image", fail)
    second = cached_scans(manifest_of(folder), 16, cache)
    assert second.path == first.path
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.array, first.array)


def test_the_number_of_workers_changes_nothing(folder: "DataFolder", tmp_path: Path) -> None:
    manifest = listed(folder)
    one, four = (cached_scans(manifest, 16, tmp_path / str(workers), workers=workers) for workers in (1, 4))
    assert one.path.read_bytes() == four.path.read_bytes()


def test_an_interrupted_array_is_gone_on_with(
    folder: "DataFolder", cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = listed(folder)
    decoded: list[str] = []

    def interrupted(data: bytes, path: Path, **how: Any) -> "GreyImage":
        if path.name == "c.png" and decoded.count("c.png") == 0:
            decoded.append("c.png")
            raise KeyboardInterrupt
        decoded.append(path.name)
        return decode_image(data, path, **how)

    monkeypatch.setattr(module, "decode_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached_scans(manifest, 16, cache, workers=1)
    scans = cached_scans(manifest, 16, cache, workers=1)
    assert decoded == ["a.png", "b.png", "c.png", "c.png"]
    undisturbed = cached_scans(manifest, 16, tmp_path / "another", workers=1)
    assert scans.path.read_bytes() == undisturbed.path.read_bytes()
    names = {path.name for path in scans.path.parent.iterdir()}
    assert names == {"scans.npy", "pictures.npy", "facts.json", "checksums.npy"}
    assert not list(cache.glob(".*"))


def test_a_changed_image_is_noticed_by_its_content(folder: "DataFolder", cache: Path) -> None:
    manifest = listed(folder)
    before = cached_scans(manifest, 16, cache)
    path = folder.root / "b.png"
    stamp = path.stat()
    folder.image("b.png", like="something else")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    after = cached_scans(manifest, 16, cache)
    assert after.path != before.path
    assert after.fingerprint != before.fingerprint
    assert not np.array_equal(after.array[1], before.array[1])
    assert np.array_equal(after.array[[0, 2]], before.array[[0, 2]])


def test_another_size_is_another_array_of_the_same_data(folder: "DataFolder", cache: Path) -> None:
    manifest = listed(folder)
    small, large = cached_scans(manifest, 16, cache), cached_scans(manifest, 20, cache)
    assert small.array.shape == (3, 16, 16)
    assert large.array.shape == (3, 20, 20)
    assert small.fingerprint == large.fingerprint


def test_new_labels_use_the_same_array(folder: "DataFolder", cache: Path) -> None:
    before = cached_scans(listed(folder), 16, cache)
    folder.listed("a.png,A,P1,0", "b.png,B,P2,100", "c.png,B,P3,100", header=HEADER)
    after = cached_scans(manifest_of(folder), 16, cache)
    assert after.path == before.path
    assert after.fingerprint != before.fingerprint


def test_nothing_is_written_into_the_data_folder(folder: "DataFolder", cache: Path) -> None:
    manifest = listed(folder)
    before = tree_of(folder.root)
    cached_scans(manifest, 16, cache)
    assert tree_of(folder.root) == before
    with pytest.raises(InputError, match="lies inside the data folder, which is never written to; set cache_dir"):
        cached_scans(manifest, 16, folder.root / "cache")
    assert tree_of(folder.root) == before


def flip(path: Path) -> None:
    """Turn the last bit of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def saved(name: str, array: "NDArray[Any]") -> Callable[[Path], None]:
    return lambda cached: np.save(cached / name, array)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "shorter": lambda cached: os.truncate(cached / ARRAY, (cached / ARRAY).stat().st_size - 1),
    "empty": lambda cached: os.truncate(cached / ARRAY, 0),
    "zeroed scans": saved(ARRAY, np.zeros((3, 16, 16), dtype=np.uint8)),
    "one bit of a scan": lambda cached: flip(cached / ARRAY),
    "other shape": saved(ARRAY, np.zeros((2, 16, 16), dtype=np.uint8)),
    "no facts": lambda cached: (cached / module.FACTS).unlink(),
    "bad facts": lambda cached: (cached / module.FACTS).write_text("{"),
    "other facts": lambda cached: (cached / module.FACTS).write_text('["a", "b", "c"]'),
    "other bits": lambda cached: (cached / module.FACTS).write_text('{"sample_bits": 12}'),
    "no pictures": lambda cached: (cached / module.PICTURES).unlink(),
    "fewer pictures": saved(module.PICTURES, np.zeros((2, 32), dtype=np.uint8)),
    "zeroed pictures": saved(module.PICTURES, np.zeros((3, 32), dtype=np.uint8)),
    "one bit of the pictures": lambda cached: flip(cached / module.PICTURES),
    "other pictures": saved(module.PICTURES, np.zeros((3, 32), dtype=np.int8)),
    "pictures of another shape": saved(module.PICTURES, np.zeros((32, 3), dtype=np.uint8)),
    "no checksums": lambda cached: (cached / module.CHECKSUMS).unlink(),
    "one bit of the checksums": lambda cached: flip(cached / module.CHECKSUMS),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_cache_is_made_anew(
    folder: "DataFolder", cache: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = listed(folder)
    scans = cached_scans(manifest, 16, cache)
    expected, path = np.array(scans.array), scans.path
    del scans
    DAMAGES[damage](path.parent)
    again = cached_scans(manifest, 16, cache)
    assert np.array_equal(again.array, expected)
    assert again.sample_bits is None
    assert caplog.messages == [f"cached scans in {path.parent} are damaged: they are decoded again"]


def test_cells_that_start_at_once_decode_once(
    folder: "DataFolder", cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = listed(folder)
    decoded = []

    def slow(data: bytes, path: Path, **how: Any) -> "GreyImage":
        decoded.append(path.name)
        time.sleep(0.05)
        return decode_image(data, path, **how)

    monkeypatch.setattr(module, "decode_image", slow)
    together = Barrier(3)

    def start(_: int) -> Path:
        together.wait()
        return cached_scans(manifest, 16, cache).path

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(start, range(3)))) == 1
    assert sorted(decoded) == ["a.png", "b.png", "c.png"]


# 16-bit samples


def deep(folder: "DataFolder", **scans: "NDArray[np.uint16]") -> "Manifest":
    """List 16-bit scans, by name, and an 8-bit one last."""
    for name, samples in scans.items():
        cv2.imwrite(str(folder.root / f"{name}.png"), samples)
    folder.image("grey.png")
    rows = [f"{name}.png,{'AB'[n % 2]},P{n}" for n, name in enumerate([*scans, "grey"])]
    folder.listed(*rows, header="path,label,package_id", images=False)
    return manifest_of(folder)


def ramp(peak: int) -> "NDArray[np.uint16]":
    return np.linspace(0, peak, 256).astype(np.uint16).reshape(16, 16)


def test_neighbours_on_both_sides_of_a_range_keep_their_relation(folder: "DataFolder", cache: Path) -> None:
    for _ in range(2):  # the second time the range comes from the cache
        scans = cached_scans(deep(folder, a=ramp(4095), b=ramp(4096)), 16, cache)
        assert scans.sample_bits == 16
        assert np.abs(scans.array[0].astype(int) - scans.array[1]).max() <= 1
        assert scans.array[:2].max() == round(4096 / 257)


def test_twelve_bit_scans_keep_their_contrast(folder: "DataFolder", cache: Path) -> None:
    scans = cached_scans(deep(folder, a=ramp(4095), b=ramp(2048)), 16, cache)
    assert scans.sample_bits == 12
    assert len(np.unique(scans.array[0])) == 256
    for pixels, samples in zip(scans.array[:2], (ramp(4095), ramp(2048)), strict=True):
        assert np.abs(pixels - samples * 255.0 / 4095).max() <= 0.5 + 1e-4


def test_a_dark_scan_is_as_dark_among_bright_ones(folder: "DataFolder", cache: Path) -> None:
    scans = cached_scans(deep(folder, a=ramp(4000), b=ramp(200)), 16, cache)
    assert scans.array[1].max() == round(200 * 255 / 4095)


def test_a_hot_pixel_darkens_its_scan_no_more_than_the_others(folder: "DataFolder", cache: Path) -> None:
    hot = ramp(3000)
    hot[0, 0] = 60_000
    scans = cached_scans(deep(folder, a=hot, b=ramp(3000)), 16, cache)
    assert scans.sample_bits == 16
    elsewhere = np.ones((16, 16), dtype=bool)
    elsewhere[0, 0] = False
    assert np.array_equal(scans.array[0][elsewhere], scans.array[1][elsewhere])


def test_sixteen_bit_scans_leave_the_others_as_they_are(folder: "DataFolder", cache: Path) -> None:
    with_deep = cached_scans(deep(folder, a=ramp(60_000)), 16, cache)
    assert with_deep.sample_bits == 16
    folder.image("other.png")
    folder.listed("grey.png,A,P1", "other.png,B,P2", header="path,label,package_id", images=False)
    without = cached_scans(manifest_of(folder), 16, cache)
    assert without.sample_bits is None
    assert np.array_equal(with_deep.array[1], without.array[0])


def test_different_pictures_that_become_alike_are_no_duplicates(folder: "DataFolder", cache: Path) -> None:
    hot = ramp(65_535)
    scans = cached_scans(deep(folder, a=ramp(20), b=ramp(20).T.copy(), c=hot), 16, cache)
    assert np.array_equal(scans.array[0], scans.array[1])


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"notes", "manifest.csv row 3: 'b.png' is no image; save it as PNG, TIFF, BMP, JPEG"),
        (b"\x89PNG\r\n\x1a\n", "manifest.csv row 3: 'b.png' is "),
    ],
)
def test_a_bad_image_is_named_with_its_row_and_leaves_nothing(
    folder: "DataFolder", cache: Path, content: bytes, finding: str
) -> None:
    manifest = listed(folder)
    (folder.root / "b.png").write_bytes(content)
    with pytest.raises(InputError) as caught:
        cached_scans(manifest, 16, cache)
    assert str(caught.value).startswith(finding)
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_an_image_that_went_away(folder: "DataFolder", cache: Path) -> None:
    manifest = listed(folder)
    (folder.root / "b.png").unlink()
    with pytest.raises(InputError, match=r"^manifest.csv row 3: 'b.png' no such file; "):
        cached_scans(manifest, 16, cache)


def test_an_image_that_changes_between_hashing_and_decoding(
    folder: "DataFolder", cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = listed(folder)
    monkeypatch.setattr(module, "_file_hashes", lambda *_: (Hashes(["0" * 64] * 3), True))
    with pytest.raises(
        InputError, match=r"^manifest.csv row 2: changed while it was being read; run the command again"
    ):
        cached_scans(manifest, 16, cache)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_clear_line(folder: "DataFolder", cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = listed(folder)

    usual = Path.open

    def full(path: Path, mode: str = "r") -> IO[Any]:
        return usual(Path("/dev/full") if path.name == ARRAY else path, mode)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(
        InputError, match=r"^cache_dir .*: cannot be written: No space left on device; free space there"
    ):
        cached_scans(manifest, 16, cache)


def test_a_cache_folder_that_cannot_be_made(folder: "DataFolder", tmp_path: Path) -> None:
    manifest = listed(folder)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^cache_dir .*/file/cache: cannot be written: Not a directory; free space"):
        cached_scans(manifest, 16, tmp_path / "file" / "cache")
