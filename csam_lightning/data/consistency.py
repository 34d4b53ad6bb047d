"""Findings that take more than one row to see: contradictions within a package, labels, columns."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from csam_lightning.data.problems import Problem, Severity
from csam_lightning.data.schema import Rules, nearest
from csam_lightning.data.slips import is_a_slip
from csam_lightning.data.spelling import look, shown, spellings
from csam_lightning.data.table import COLUMNS, TextTable

RARE_SHARE = 0.05  # a label this rare beside one that reads alike is taken for a typing error
ALIKE = 0.8  # difflib's ratio of labels or column names that read alike
LEAST_CLASSES = 2
MOST_COMPARED = 200  # labels compared in pairs, the most frequent ones; more is no list of classes


def column_problems(table: TextTable, rules: Rules) -> list[Problem]:
    """Return columns that are missing, that stand twice, or that are not read."""
    where = table.head
    found = list(table.header)
    problems = []
    for name in rules.required:
        if name not in found:
            near = nearest(name, [other for other in found if other not in COLUMNS])
            mend = f"rename '{near}' to '{name}'" if near else _add_column(name, found)
            what = "no package is known" if table.is_tree else f"column '{name}' is missing"
            problems.append(Problem("error", where, what, mend, 1))
    problems += [
        Problem("error", where, f"column '{name}' stands twice", "delete one of them", 1)
        for name in COLUMNS
        if found.count(name) > 1
    ]
    optional = [name for name in COLUMNS if name not in found and name not in rules.required]
    problems += [_unread(name, optional, where) for name in dict.fromkeys(found) if name not in COLUMNS]
    return problems


def _add_column(name: str, found: Sequence[str]) -> str:
    mends = {
        "path": f"the first row must name the columns, it reads {', '.join(map(repr, found))[:200]}",
        "label": "add it with the class name of each scan",
        "package_id": "name each scan's physical part, or set data.package_pattern or data.protocol=published",
    }
    return mends[name]


def _unread(name: str, absent: Sequence[str], where: str) -> Problem:
    """Return a warning, or an error where the column is probably meant to be one that would then be missed."""
    meant = nearest(name, absent, ALIKE)
    if meant:
        mend = f"rename it to '{meant}', or to something less like it"
        return Problem("error", where, f"column '{name}' is not read, it looks like '{meant}'", mend, 1)
    known = ", ".join(COLUMNS)
    return Problem("warning", where, f"column '{name}' is not read", f"the columns read are {known}", 1)


def package_problems(table: TextTable) -> list[Problem]:
    """Return packages that contradict themselves.

    Errors: one package in two spellings, two metallizations, both sides of the test split. Warnings: one metallization
    in two spellings, two scans at the same cycles.
    """
    return [
        *_alike_packages(table),
        *_alike_metallizations(table),
        *_contradictions(
            table,
            "metallization",
            "a package has one metallization: correct the rows, or the package_id",
        ),
        *_contradictions(
            table,
            "split",
            "give all its scans the same split: it would be tested on a package it was trained on",
        ),
        *_repeated_read_outs(table),
    ]


def _alike_packages(table: TextTable) -> Iterator[Problem]:
    """Yield packages that are one part in several spellings: its scans would stand on both sides of a split."""
    for names, positions, said in _spelled(table, "package_id"):
        folded = {"".join(name.casefold().split()) for name in names}
        differ = "differ only in upper and lower case or spaces" if len(folded) == 1 else "are spellings of one part"
        mend = "write one part's package_id in one way, or tell two parts apart by more"
        yield table.problem(positions[1], f"packages {said} {differ}", mend)


def _alike_metallizations(table: TextTable) -> Iterator[Problem]:
    for _, positions, said in _spelled(table, "metallization"):
        what = f"metallizations {said} are spellings of one word"
        yield table.problem(positions[1], what, "write it in one way", "warning")


def _spelled(table: TextTable, column: str) -> Iterator[tuple[list[str], list[int], str]]:
    """Yield the names in a column that are spellings of one, the first row of each, and both as text."""
    cells = table.frame[column].dropna().drop_duplicates()
    first = dict(zip(cells.tolist(), cells.index.tolist(), strict=True))
    for names in spellings(list(first)):
        positions = [first[name] for name in names]
        places = zip(names, positions, strict=True)
        yield names, positions, ", ".join(f"'{shown(name)}' ({table.place(position)})" for name, position in places)


def _repeated_read_outs(table: TextTable) -> Iterator[Problem]:
    """Yield one warning where packages have several scans at the same cycles."""
    known = table.frame[["package_id", "cycles"]].dropna()
    known = known.assign(cycles=known["cycles"].astype("Float64"))
    again = known.index[known.duplicated()]
    if not len(again):
        return
    package, cycles = known.loc[again[0]]
    first = int(known.index[(known["package_id"] == package) & (known["cycles"] == cycles)][0])
    more = f" ({len(again)} scans repeat a read-out)" if len(again) > 1 else ""
    what = f"package {package} has another scan at {cycles:.0f} cycles, {table.place(first)}{more}"
    yield table.problem(int(again[0]), what, "correct cycles or package_id if that is no intention", "warning")


def _contradictions(table: TextTable, column: str, mend: str) -> list[Problem]:
    first = table.frame[["package_id", column]].dropna().drop_duplicates()
    problems = []
    for package, group in first[first["package_id"].duplicated(keep=False)].groupby("package_id", sort=False):
        rows = table.rows[group.index]
        said = ", ".join(f"{value} (row {row})" for value, row in zip(group[column], rows, strict=True))
        what = f"package {package} has more than one {column}: {said}"
        problems.append(table.problem(group.index[1], what, mend))
    return problems


def class_problems(table: TextTable, classes: Sequence[str], rules: Rules) -> list[Problem]:
    """Return too few classes, classes named twice, and classes that no training scan has."""
    if "label" not in rules.required:
        return []
    where = table.source if rules.classes is None else "data.classes"
    names = list(classes)
    problems = []
    if len(set(names)) < LEAST_CLASSES:
        what = f"{len(set(names))} class{'' if len(set(names)) == 1 else 'es'} found"
        mend = "a classifier needs at least two: label the scans with two or more class names"
        problems.append(Problem("error", where, what, mend))
    problems += [
        Problem("error", where, f"class '{name}' is named twice", "name each class once")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    present = set(table.frame["label"][table.frame["split"].fillna("train") != "test"].dropna())
    problems += [
        Problem("error", where, f"class '{name}' has no training scan", "label scans with it or leave it out")
        for name in dict.fromkeys(names)
        if name not in present
    ]
    return problems


def cycles_problems(table: TextTable) -> list[Problem]:
    """Return a warning where some scans have cycles and some have none."""
    cycles = table.frame["cycles"]
    missing = int(cycles.isna().sum())
    if missing in (0, len(cycles)):
        return []
    what = f"{missing} of {len(cycles)} scans have no cycles, so no data size can be chosen by read-out"
    return [Problem("warning", table.head, what, "fill in every row, or none", 1)]


def label_problems(table: TextTable) -> list[Problem]:
    """Return labels that are another one in another spelling, or look like a slip for it.

    For manifests whose labels are the classes. An error where a reader cannot tell the labels apart, else warnings.
    """
    counts = table.frame["label"].value_counts()
    problems = []
    for one, other in combinations(counts.index[:MOST_COMPARED], 2):
        frequent, rare = (one, other) if counts[one] >= counts[other] else (other, one)
        severity = _likeness(frequent, rare, counts[rare] <= RARE_SHARE * counts[frequent])
        if severity is None:
            continue
        position = int((table.frame["label"] == rare).fillna(value=False).to_numpy().argmax())
        shares = f"in {counts[rare]} of {counts.sum()} scans", f"in {counts[frequent]}"
        what = f"label '{shown(rare)}' ({shares[0]}) looks like '{shown(frequent)}' ({shares[1]})"
        mend = "correct it, or name the classes in data.classes"
        problems.append(table.problem(position, what, mend, severity))
    return problems


def _likeness(frequent: str, rare: str, rarely: bool) -> Severity | None:
    if look(frequent) == look(rare):
        return "error"
    if spellings([frequent, rare]) or (rarely and is_a_slip(frequent, rare, ALIKE)):
        return "warning"
    return None
