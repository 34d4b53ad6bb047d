"""Advice about a folder whose folders are no classes: what they look like, and what to write instead."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from csam_lightning.data.folder_names import Kind, kind, kinds
from csam_lightning.data.problems import Problem

SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".parquet")
MANIFESTS = ("manifest.csv", "manifest.parquet")
DEEPEST = 4
"""Levels of folders that are searched for images."""

MOST_NAMED = 4

COLUMNS: dict[Kind, str] = {"split": "split", "read-out": "cycles", "date": "cycles"}
"""Columns of a manifest that hold what folders stand for."""

NOTES: dict[Kind, str] = {
    "split": "split: test for the scans of test, train for all others, as cross-validation makes its validation sets",
    "read-out": "cycles: of the read-out",
    "lot": "package_id: with the lot in it, since lots may number their parts alike",
    "date": "cycles: where the dates are read-outs",
}
MOST_IN_SETTING = 30
"""Folders that a setting to paste lists, at most."""

UNQUOTED = re.compile("[A-Za-z0-9_-]+")
KEYWORDS = ("true", "false", "null")
UNSAFE = re.compile(r"""["'$\\]""")
"""Signs that mean something to a shell or to Hydra even within quotes."""

WORDS: dict[Kind, str] = {
    "split": "train and test splits",
    "read-out": "read-outs",
    "lot": "lots or parts",
    "date": "dates",
    "mask": "images and their masks",
}


def _setting(names: Sequence[str]) -> str:
    """Return the setting that takes folders for classes, as text to paste where their names allow it."""
    if len(names) > MOST_IN_SETTING or any(UNSAFE.search(name) or not name.isprintable() for name in names):
        return "name them in data.classes"
    listed = ",".join(_in_a_list(name) for name in sorted(names, key=_by_number))
    return f"set 'data.classes=[{listed}]'"


def _in_a_list(name: str) -> str:
    """Return a name as Hydra reads it in a list as text; a number that is written as it is read needs no quotes."""
    is_number = re.fullmatch("0|[1-9][0-9]{0,17}", name) is not None
    plain = UNQUOTED.fullmatch(name) and name.casefold() not in KEYWORDS and not _reads_as_number(name)
    return name if is_number or plain else f'"{name}"'


def _reads_as_number(name: str) -> bool:
    try:
        float(name.replace("_", ""))
    except ValueError:
        return False
    return True


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts 5 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split("([0-9]+)", name) if part]


def class_folder_problems(root: Path, names: Sequence[str]) -> Iterator[Problem]:
    """Yield what speaks against taking the folders ``names`` of ``root`` for classes.

    An error where one is a split or all are something else than a class; a warning where some are.
    """
    found = kinds(names)
    splits = [name for name, kind in found.items() if kind == "split"]
    told = splits or list(found)
    if not told:
        return
    what = f"{_looks(told, found)}, not classes"
    if len(names) == 1 and _manifests(root / names[0]):
        mend = f"set data.root={root / names[0]} to read its manifest"
    else:
        mend = f"{manifest_advice(root, set(found.values()))}; if they are classes, {_setting(names)}"
    yield Problem("error" if splits or len(found) == len(names) else "warning", root.name, what, mend)


def sibling_problems(root: Path) -> Iterator[Problem]:
    """Yield a warning where ``root`` is one of several splits, so that the others are not read."""
    here = Path(os.path.abspath(root))  # noqa: PTH100 -- a link's own name and neighbours count, not its target's
    if kind(here.name) != "split":
        return
    others = [name for name in _folders(here.parent) if name != here.name and kind(name) == "split"]
    others = [name for name in others if has_images(here.parent / name)]
    if others:
        what = f"{_listed(others)} lie beside it and are not read"
        mend = f"to read them too, {manifest_advice(here.parent, {'split'})}, in {here.parent}"
        yield Problem("warning", root.name, what, mend)


def advice_without_classes(root: Path) -> tuple[str, str]:
    """Return what ``root``, which has no class-named folders with images, holds instead, and what to do.

    Another root is proposed only where all images lie in it, and its folders may be classes.
    """
    deeper = [name for name in _folders(root) if has_images(root / name)]
    beside = [name for name in _folders(root) if _manifests(root / name)]
    if len(deeper) <= 1 and len(beside) == 1 and set(deeper) <= set(beside):
        return "", f"set data.root={root / beside[0]}"
    if len(deeper) == 1 and not beside:
        inner = Path(root, deeper[0])
        names = [name for name in _folders(inner) if has_images(inner / name, deepest=1)]
        if names and not kinds(names) and kind(deeper[0]) != "split":
            return "", f"set data.root={inner}"
        if not names and kind(deeper[0]) is None:
            return advice_without_classes(inner)
    found = _kinds_below(root, deeper)
    told = [name for name in deeper if name in found] or list(found)
    what = f" ({_looks(told, found)})" if told else ""
    return what, manifest_advice(root, set(found.values()))


def manifest_advice(root: Path, found: Collection[Kind] = ()) -> str:
    """Return which manifest to write, and which table may serve: in ``root``, its folders or its parent."""
    read_outs = "read-out" in found  # then it is not the dates that are read-outs
    meant = [kind for kind in NOTES if kind in found and not (kind == "date" and read_outs)]
    columns = ["path", "label", "package_id", *dict.fromkeys(COLUMNS[kind] for kind in meant if kind in COLUMNS)]
    notes = "; ".join(NOTES[kind] for kind in meant)
    write = f"a manifest.csv with the first line '{','.join(columns)}'{f' ({notes})' if notes else ''}"
    above = Path(os.path.abspath(root)).parent  # noqa: PTH100 -- see above
    if _manifests(above):
        return f"{_manifests(above)[0]} lies in the folder above: set data.root={above} to read it, or write {write}"
    tables = [*_tables(root), *(f"{name}/{table}" for name in _folders(root) for table in _tables(root / name))]
    tables += [f"../{table}" for table in _tables(above)]
    if not tables:
        return f"write {write}"
    lie = "lies" if len(tables) == 1 else "lie"
    return f"{_listed(tables)} {lie} there: make of {'it' if len(tables) == 1 else 'them'} {write}"


def has_images(folder: Path, *, deepest: int = DEEPEST) -> bool:
    """Return whether there are images by name in a folder, down to ``deepest`` levels, itself being the first."""
    return any(_image_levels(folder, deepest))


def is_image(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry of a folder is an image by its name."""
    return not entry.name.startswith(".") and entry.name.lower().endswith(SUFFIXES) and not entry.is_dir()


def _image_levels(folder: Path, deepest: int) -> Iterator[bool]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    yield from (True for entry in entries if is_image(entry))
    for entry in entries if deepest > 1 else ():
        if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from _image_levels(Path(entry), deepest - 1)


def _kinds_below(root: Path, names: Sequence[str], deepest: int = DEEPEST) -> dict[str, Kind]:
    """Return what the folders ``names`` and those in them, where they hold images, look like."""
    found = kinds(names)
    for name in names[:MOST_NAMED] if deepest > 1 else ():
        inner = [deeper for deeper in _folders(root / name) if has_images(root / name / deeper)]
        found = _kinds_below(root / name, inner, deepest - 1) | found
    return found


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _tables(folder: Path) -> list[str]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return []
    return [name for name in names if name.lower().endswith(TABLES) and not name.startswith((".", "~"))]


def _manifests(folder: Path) -> list[str]:
    return [name for name in _tables(folder) if name.lower() in MANIFESTS]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:MOST_NAMED]) + more


def _looks(names: Sequence[str], found: Mapping[str, Kind]) -> str:
    words = " and ".join(dict.fromkeys(WORDS[found[name]] for name in names))
    return f"{_listed(names)} {'looks' if len(names) == 1 else 'look'} like {words}"
