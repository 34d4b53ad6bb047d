"""Scans, decoded and resized once into a memory-mapped array that every fold, worker and process shares.

The array lies in a cache folder under a key made of the files' contents and the settings, so a changed image or
another size gives another array, and the same images in another folder the same one.
"""

import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from errno import EMFILE, ENFILE, ENOMEM
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import pandas as pd
from filelock import FileLock

from csam_lightning.data.colour_rule import USUAL, ColourRule, PaletteChoice
from csam_lightning.data.colours import Look
from csam_lightning.data.duplicates import duplicate_problems
from csam_lightning.data.hashes import LENGTH, Hashes
from csam_lightning.data.images import decode_image, range_of, read_bytes, resize_grey
from csam_lightning.data.manifest import Manifest, listing
from csam_lightning.data.plain import is_plain_grey
from csam_lightning.data.problems import Problem, errors_in, warnings_in
from csam_lightning.data.reading import QUICK_HASH_SECONDS, in_order, or_raise
from csam_lightning.data.row_file import ARRAY, JOURNAL, Row, add_rows, checksum, rows_there
from csam_lightning.data.survey import (
    LookCount,
    Looks,
    colour_problems,
    gathered,
    palette_problem,
    survey,
)
from csam_lightning.data.table import ROWS_TOGETHER
from csam_lightning.errors import InputError
from csam_lightning.files import sync_folder, sync_tree
from csam_lightning.progress import track

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 4
"""Of the decoding, the resizing and the files; a change of any of them must raise it."""
PICTURES, FACTS, CHECKSUMS = "pictures.npy", "facts.json", "checksums.npy"

Array: TypeAlias = "np.memmap[tuple[int, int, int], np.dtype[np.uint8]]"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scans:
    """The decoded scans of a manifest.

    Attributes:
        array: Grey values, read-only memory map, uint8 of shape (scans, image size, image size), in the manifest's
            order.
        fingerprint: Identifies the data set: the images and what the manifest says of them.
        path: File of the array.
        sample_bits: Range that the samples of all 16-bit files were mapped from, bits; None where there are none.
            :func:`csam_lightning.data.images.read_grey` maps further scans alike with it.
        colours: How colours became grey; for further scans as well.
        plain: Whether all files are plain grey, see :mod:`csam_lightning.data.plain`.
    """

    array: Array
    fingerprint: str
    path: Path
    sample_bits: int | None
    colours: ColourRule
    plain: bool


@dataclass(frozen=True)
class _Facts:
    """What the cache keeps beside the array: of the data set, range, palette and colours; of each scan, its picture."""

    sample_bits: int | None
    palette: PaletteChoice
    looks: dict[Look, list[float]]
    picture_hashes: Hashes


def fingerprint(manifest: Manifest) -> str:
    """Return the SHA-256 of a data set, hexadecimal.

    It depends on the content of every image and on labels, packages, metallizations, cycles, splits and classes, in
    the manifest's order; neither on where the folder lies, nor on file names, nor on how the manifest is written.

    Raises:
        InputError: An image cannot be read.
    """
    return identify(manifest)[0]


def identify(manifest: Manifest) -> tuple[str, bool]:
    """Return the fingerprint of a data set, and whether all its files are plain grey.

    Raises:
        InputError: An image cannot be read.
    """
    file_hashes, plain = _file_hashes(manifest, None)
    return _fingerprint(manifest, file_hashes), plain


def cached_scans(
    manifest: Manifest,
    image_size: int,
    cache_dir: Path,
    *,
    colours: ColourRule = USUAL,
    workers: int | None = None,
) -> Scans:
    """Decode and resize all scans of a manifest, or take them from the cache.

    Args:
        manifest: The scans.
        image_size: Height and width wanted, pixels.
        cache_dir: Folder for the arrays; made if missing. Processes may share it. What an interruption has left of an
            array there is gone on with.
        colours: How colours become grey.
        workers: Files read at a time, or None: see :func:`csam_lightning.data.reading.in_order`.

    Raises:
        InputError: An image cannot be read (naming manifest row and file), its colours are refused, two scans of
            different label, package or split show the same picture, or the cache cannot be written.
    """
    _keep_out_of_data(cache_dir, manifest.root)
    file_hashes, plain = _file_hashes(manifest, workers)
    rule = [colours.overlay, colours.palette]
    key = _digest({"version": VERSION, "image_size": image_size, "colours": rule, "files": iter(file_hashes)})
    folder = cache_dir / f"scans-{image_size}px-{key[:32]}"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            shape = (len(manifest.table), image_size, image_size)
            cached = _open(folder, shape)
            if cached is None:
                if folder.exists():
                    logger.warning("cached scans in %s are damaged: they are decoded again", folder)
                shutil.rmtree(folder, ignore_errors=True)
                with _resumable(folder) as unfinished:
                    _write(unfinished, manifest, shape, file_hashes, colours=colours, workers=workers)
                cached = _open(folder, shape)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            where=f"cache_dir {cache_dir}",
            mend="free space there or set cache_dir to another folder",
        ) from error
    assert cached is not None  # noqa: S101 -- it was just written
    array, facts = cached
    found = ColourRule.of(colours.overlay, facts.palette)
    _log_colours(manifest, facts, colours)
    _raise_first(manifest, duplicate_problems(manifest, facts.picture_hashes))
    fingerprint_ = _fingerprint(manifest, file_hashes)
    return Scans(array, fingerprint_, folder / ARRAY, facts.sample_bits, found, plain)


@contextmanager
def _resumable(folder: Path) -> Iterator[Path]:
    """Yield a folder that takes the place of ``folder`` when the block ends; an interruption leaves it for another try.

    An error leaves nothing: a damaged image, once mended, makes another key, and a full disk needs the room.
    """
    unfinished = folder.with_name(f".{folder.name}-unfinished")
    unfinished.mkdir(exist_ok=True)
    try:
        yield unfinished
        sync_tree(unfinished)
        unfinished.rename(folder)
        sync_folder(folder.parent)
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _keep_out_of_data(cache_dir: Path, root: Path) -> None:
    if cache_dir.resolve().is_relative_to(root.resolve()):
        raise InputError(
            "lies inside the data folder, which is never written to",
            where=f"cache_dir {cache_dir}",
            mend="set cache_dir to a folder outside of data.root",
        )


def _fingerprint(manifest: Manifest, file_hashes: Hashes) -> str:
    columns = ["label", "package_id", "metallization", "cycles", "split"]
    rows = _rows(manifest.table[columns])
    return _digest({"classes": manifest.classes, "columns": columns, "rows": rows, "files": iter(file_hashes)})


def _rows(table: pd.DataFrame) -> Iterator[list[object]]:
    """Yield the cells of each row, None where one is empty."""
    for start in range(0, len(table), ROWS_TOGETHER):
        some = table[start : start + ROWS_TOGETHER].astype("object")
        yield from some.where(some.notna(), None).to_numpy().tolist()


def _digest(meaning: Mapping[str, object]) -> str:
    """Return the SHA-256 of a JSON object, its keys sorted; an iterator is an array, of which few items are held."""
    digest = hashlib.sha256()
    for number, (key, value) in enumerate(sorted(meaning.items())):
        digest.update(f"{', ' if number else '{'}{json.dumps(key)}: ".encode())
        for piece in _array(value) if isinstance(value, Iterator) else [json.dumps(value)]:
            digest.update(piece.encode())
    digest.update(b"}")
    return digest.hexdigest()


def _array(items: Iterator[object]) -> Iterator[str]:
    yield "["
    comma = ""
    while some := list(islice(items, ROWS_TOGETHER)):
        yield comma + json.dumps(some)[1:-1]
        comma = ", "
    yield "]"


def _file_hashes(manifest: Manifest, workers: int | None) -> tuple[Hashes, bool]:
    hashes, all_plain = Hashes(), True
    for one, plain in or_raise(in_order(manifest, _file_hash, workers=workers, quick_seconds=QUICK_HASH_SECONDS)):
        hashes.append(one)
        all_plain = all_plain and plain
    return hashes, all_plain


def _file_hash(path: Path) -> tuple[str, bool]:
    data = read_bytes(path)
    return _hash(data), is_plain_grey(data)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _open(folder: Path, shape: tuple[int, int, int]) -> "tuple[Array, _Facts] | None":
    """Return array and facts of a cache folder, or None where there are none or damaged ones."""
    try:
        array = np.load(folder / ARRAY, mmap_mode="r", allow_pickle=False)
        pictures = np.load(folder / PICTURES, mmap_mode="r", allow_pickle=False)
        checksums = np.load(folder / CHECKSUMS, allow_pickle=False)
        facts = (folder / FACTS).read_text()
        whole = array.shape == shape and pictures.shape == (shape[0], LENGTH)
        if not whole or not array.dtype == pictures.dtype == np.uint8:
            return None
        picture_hashes = Hashes.of_array(pictures)
        if not np.array_equal(checksums, _checksums(array, picture_hashes, facts)):
            return None
        return cast("Array", array), _Facts(**json.loads(facts), picture_hashes=picture_hashes)
    except Exception as error:  # garbage may raise anything
        if isinstance(error, OSError) and error.errno in {EMFILE, ENFILE, ENOMEM}:
            raise
        return None


def _checksums(array: "NDArray[np.uint8]", picture_hashes: Hashes, facts: str) -> "NDArray[np.uint32]":
    """Return the CRC-32 of each scan with its picture hash and, last, of the facts."""
    rows = (checksum(pixels.data, one) for pixels, one in zip(array, picture_hashes, strict=True))
    return np.array([*rows, zlib.crc32(facts.encode())], dtype=np.uint32)


def _write(
    folder: Path,
    manifest: Manifest,
    shape: tuple[int, int, int],
    file_hashes: Hashes,
    *,
    colours: ColourRule,
    workers: int | None,
) -> None:
    """Decode and resize every scan that is not in ``folder`` yet, and write array, picture hashes and facts.

    16-bit files and those in colour are decoded once before, since the range and the palette of all of them decide
    about each.
    """
    side = shape[1]
    sample_bits, rule, looks = _surveyed(manifest, colours, workers)
    picture_hashes = Hashes(rows_there(folder, shape))
    there = len(picture_hashes)

    def decoded(path: Path) -> tuple[bytes, str, str]:
        data = read_bytes(path)
        image = decode_image(data, path, colours=rule)
        return resize_grey(image.pixels(sample_bits), side).tobytes(), image.picture_hash, _hash(data)

    def rows() -> Iterator[Row]:
        results = or_raise(in_order(manifest, decoded, start=there, workers=workers))
        tracked = track(results, description=f"decoding scans at {side}x{side} px", total=shape[0] - there)
        for position, (pixels, picture_hash, file_hash) in enumerate(tracked, start=there):
            if file_hash != file_hashes[position]:
                raise InputError(
                    "changed while it was being read", where=manifest.where(position), mend="run the command again"
                )
            picture_hashes.append(picture_hash)
            yield Row(pixels, picture_hash)

    add_rows(folder, shape, rows())
    (folder / JOURNAL).unlink()
    np.save(folder / PICTURES, picture_hashes.array())
    known = {look: astuple(count) for look, count in looks.items()}
    facts = json.dumps({"sample_bits": sample_bits, "palette": rule.palette, "looks": known})
    (folder / FACTS).write_text(facts)
    array = np.load(folder / ARRAY, mmap_mode="r", allow_pickle=False)
    np.save(folder / CHECKSUMS, _checksums(array, picture_hashes, facts))


def _surveyed(manifest: Manifest, colours: ColourRule, workers: int | None) -> tuple[int | None, ColourRule, Looks]:
    """Return the range of 16-bit samples, the rule to apply to each scan, and what scans look like.

    Raises:
        InputError: An image cannot be read, or the rule refuses its colours.
    """
    found = gathered(or_raise(in_order(manifest, survey, workers=workers)))
    errors = errors_in(colour_problems(manifest, found.looks, colours, lost=found.lost))
    if errors:
        raise errors[0].as_error(listing(len(errors) - 1, manifest.root))
    return range_of(found.peaks), found.rule(colours), found.looks


def _log_colours(manifest: Manifest, facts: _Facts, colours: ColourRule) -> None:
    looks = {look: LookCount(int(count), int(first), marked) for look, (count, first, marked) in facts.looks.items()}
    names = () if facts.palette is None or isinstance(facts.palette, str) else facts.palette
    _raise_first(manifest, [*colour_problems(manifest, looks, colours), *palette_problem(colours, names)])


def _raise_first(manifest: Manifest, problems: list[Problem]) -> None:
    """Log warnings, and raise the first error."""
    for problem in warnings_in(problems):
        logger.warning("%s: %s; %s", problem.where, problem.what, problem.mend)
    errors = errors_in(problems)
    if errors:
        raise errors[0].as_error(listing(len(errors) - 1, manifest.root))
