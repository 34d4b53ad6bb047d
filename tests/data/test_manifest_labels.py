"""Labels, packages, cycles and splits of a manifest that are wrong."""

from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.data.conftest import DataFolder

HEADER = "path,label,package_id"
TWO = ("a.png,A,P1", "b.png,B,P2")


@pytest.mark.parametrize(
    ("label", "finding"),
    [
        ("Delam", "unknown label 'Delam'; did you mean 'delamination'? write one of delamination, none"),
        ("DELAMINATION", "unknown label 'DELAMINATION'; did you mean 'delamination'? write one of delamination, none"),
        ("void", "unknown label 'void'; write one of delamination, none"),
        ("", "label is empty; fill in the cell or delete the row"),
    ],
)
def test_labels_that_are_no_class(folder: "DataFolder", label: str, finding: str) -> None:
    folder.listed("a.png,delamination,P1", "b.png,none,P2", f"c.png,{label},P3")
    manifest, problems = folder.read(classes=["delamination", "none"])
    assert list(map(str, problems)) == [f"error: manifest.csv row 4: {finding}"]
    assert manifest is not None
    assert manifest.table["label"].to_list() == ["delamination", "none", pd.NA]


def test_rare_label_like_a_frequent_one_is_a_warning(folder: "DataFolder") -> None:
    rows = [f"{n}.png,{'crack' if n % 2 else 'void'},P{n}" for n in range(60)]
    folder.listed(*rows, "x.png,crakc,PX")
    assert folder.findings() == [
        (
            "warning: manifest.csv row 62: label 'crakc' (in 1 of 61 scans) looks like 'crack' (in 30); "
            "correct it, or name the classes in data.classes"
        )
    ]


def test_labels_alike_but_both_frequent_are_no_typing_errors(folder: "DataFolder") -> None:
    folder.listed(*[f"{n}.png,{'crack' if n % 2 else 'cracks'},P{n}" for n in range(40)])
    assert folder.findings() == []


def test_labels_that_differ_in_case_are_a_warning_at_any_count(folder: "DataFolder") -> None:
    folder.listed("a.png,Void,P1", "b.png,Void,P2", "c.png,void,P3", "d.png,ok,P4")
    assert folder.findings() == [
        (
            "warning: manifest.csv row 4: label 'void' (in 1 of 4 scans) looks like 'Void' (in 2); "
            "correct it, or name the classes in data.classes"
        )
    ]


def test_numbered_labels_are_no_typing_errors(folder: "DataFolder") -> None:
    folder.listed(*[f"{n}.png,grade 1,P{n}" for n in range(40)], "x.png,grade 2,PX")
    assert folder.findings() == []


def test_one_class_is_too_few(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1", "b.png,A,P2")
    assert folder.findings() == [
        (
            "error: manifest.csv: 1 class found; a classifier needs at least two: "
            "label the scans with two or more class names"
        )
    ]


def test_classes_without_training_scan_or_named_twice(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1,train", "b.png,B,P2,test", "c.png,C,P3,", header="path,label,package_id,split")
    assert folder.findings(classes=["A", "B", "C", "C", "D"]) == [
        "error: data.classes: class 'C' is named twice; name each class once",
        "error: data.classes: class 'B' has no training scan; label scans with it or leave it out",
        "error: data.classes: class 'D' has no training scan; label scans with it or leave it out",
    ]


@pytest.mark.parametrize("cycles", ["-100", "12.5", "many", "1e2", "0x10", "99999999999", "٣"])
def test_cycles_that_are_no_count(folder: "DataFolder", cycles: str) -> None:
    folder.listed(f"a.png,A,P1,{cycles}", "b.png,B,P2,100", header="path,label,package_id,cycles")
    manifest, problems = folder.read()
    assert list(map(str, problems)) == [
        f"error: manifest.csv row 2: cycles '{cycles}' is no whole number from 0; write 0, 100, 200, …"
    ]
    assert manifest is not None
    assert manifest.table["cycles"].to_list() == [pd.NA, 100]


def test_cycles_of_some_scans_only_are_a_warning(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1,0", "b.png,B,P2,", header="path,label,package_id,cycles")
    assert folder.findings() == [
        (
            "warning: manifest.csv row 1: 1 of 2 scans have no cycles, so no data size can be chosen by read-out; "
            "fill in every row, or none"
        )
    ]


def test_unknown_split(folder: "DataFolder") -> None:
    folder.listed(*[f"{row},train" for row in TWO], "c.png,A,P3,Test", header="path,label,package_id,split")
    assert folder.findings() == [
        "error: manifest.csv row 4: unknown split 'Test'; did you mean 'test'? write one of train, test"
    ]


def test_control_characters_are_refused_and_never_printed(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1,\x1b[2J", "b.png,B\x07,P2,Ag", "c.png,B,P\x9b3,Ag", header=f"{HEADER},metallization")
    assert folder.findings() == [
        "error: manifest.csv row 2: '\\x1b[2J' holds a control character; write the cell anew",
        "error: manifest.csv row 3: 'B\\x07' holds a control character; write the cell anew",
        "error: manifest.csv row 4: 'P\\x9b3' holds a control character; write the cell anew",
    ]
    folder.listed("a.png,A,P1,1", "b.png,B,P2,2", header=f"{HEADER},\x1b[2J")
    assert folder.findings()[0].startswith("warning: manifest.csv row 1: column '\\x1b[2J' is not read; ")


def test_missing_package(folder: "DataFolder") -> None:
    folder.listed(*TWO, "c.png,A,")
    assert folder.findings() == ["error: manifest.csv row 4: package_id is empty; fill in the cell or delete the row"]
    assert folder.findings(need_packages=False) == []


def test_package_with_contradicting_metallization(folder: "DataFolder") -> None:
    header = "path,label,package_id,metallization"
    folder.listed("a.png,A,P1,Ag", "b.png,B,P2,Cu", "c.png,A,P1,", "d.png,B,P1,NiPdAu", "e.png,B,P1,Cu", header=header)
    assert folder.findings() == [
        (
            "error: manifest.csv row 5: package P1 has more than one metallization: Ag (row 2), NiPdAu (row 5), "
            "Cu (row 6); a package has one metallization: correct the rows, or the package_id"
        )
    ]


def test_package_in_training_and_test_split(folder: "DataFolder") -> None:
    header = "path,label,package_id,split"
    folder.listed("a.png,A,P1,", "b.png,B,P2,train", "c.png,A,P1,test", header=header)
    assert folder.findings() == [
        (
            "error: manifest.csv row 4: package P1 has more than one split: train (row 2), test (row 4); "
            "give all its scans the same split: it would be tested on a package it was trained on"
        )
    ]


def test_all_findings_come_at_once_in_the_order_of_rows(folder: "DataFolder") -> None:
    header = "path,label,package_id,cycles,split,operator"
    folder.listed("a.png,A,P1,0,train,me", "b.png,B,P2,-1,tset,me", "c.png,,P3,1,train,me", header=header)
    (folder.root / "c.png").unlink()
    starts = ["warning: manifest.csv row 1: column 'operator'"]
    starts += ["error: manifest.csv row 3: cycles '-1'", "error: manifest.csv row 3: unknown split 'tset'"]
    starts += ["error: manifest.csv row 4: label is empty", "error: manifest.csv row 4: no file 'c.png'"]
    findings = folder.findings()
    assert len(findings) == len(starts)
    assert all(finding.startswith(start) for finding, start in zip(findings, starts, strict=True))


# Packages


@pytest.mark.parametrize("other", ["p1 x", "P1X", "P1  X", "P 1 x"])
def test_packages_that_differ_by_case_or_spaces_only(folder: "DataFolder", other: str) -> None:
    folder.listed("a.png,A,P1 X", "b.png,B,P1 Y", f"c.png,B,{other}")
    assert folder.findings() == [
        (
            f"error: manifest.csv row 4: packages 'P1 X' (manifest.csv row 2), '{other}' (manifest.csv row 4) differ "
            "only in upper and lower case or spaces; "
            "write one part's package_id in one way, or tell two parts apart by more"
        )
    ]


def test_spaces_around_a_package_are_no_part_of_it(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1", "b.png,B, P1 ")
    assert folder.good().table["package_id"].to_list() == ["P1", "P1"]


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "NULL", "n/a", "N/A", "NA", "#N/A", "<NA>", "NaT"])
def test_words_that_stand_for_no_package(folder: "DataFolder", word: str) -> None:
    folder.listed("a.png,A,P1", f"b.png,B,{word}", "c.png,B,P2")
    manifest, problems = folder.read()
    what = f"error: manifest.csv row 3: package_id '{word}' names no package; name the physical part or "
    assert list(map(str, problems)) == [f"{what}delete the row"]
    assert manifest is not None
    assert manifest.table["package_id"].isna().to_list() == [False, True, False]
    assert folder.findings(need_packages=False) == [f"{what}empty the cell"]


@pytest.mark.parametrize("word", ["nan1", "Banana", "n", "#n", "n/a 2"])
def test_words_that_hold_such_a_word_name_a_package(folder: "DataFolder", word: str) -> None:
    folder.listed("a.png,A,P1", f"b.png,B,{word}", "c.png,B,P2")
    assert folder.good().table["package_id"].to_list() == ["P1", word, "P2"]


def test_two_scans_of_a_package_at_the_same_cycles(folder: "DataFolder") -> None:
    header = "path,label,package_id,cycles"
    rows = ["a.png,A,P1,0", "b.png,B,P2,0", "c.png,A,P1,100", "d.png,A,P1,0.0"]
    folder.listed(*rows, header=header)
    mend = "correct cycles or package_id if that is no intention"
    assert folder.findings() == [
        (f"warning: manifest.csv row 5: package P1 has another scan at 0 cycles, manifest.csv row 2; {mend}")
    ]
    folder.listed(*rows, "e.png,A,P2,0", "f.png,A,P1,0", header=header)
    assert folder.findings() == [
        (
            "warning: manifest.csv row 5: package P1 has another scan at 0 cycles, manifest.csv row 2 "
            f"(3 scans repeat a read-out); {mend}"
        )
    ]
    folder.listed("a.png,A,P1,", "b.png,B,P1,", "c.png,B,,", header=header)
    assert folder.read(need_packages=False)[1] == []


@pytest.mark.parametrize(
    ("one", "other", "escaped"),
    [
        ("17", "17.0", "17.0"),
        ("007", "7", "7"),
        ("P-17", "P\u201117", "P\\u201117"),
        ("P17", "P17\u200b", "P17\\u200b"),
        ("P17", "\u042017", "\\u042017"),
        ("1E+05", "100000", "100000"),
        ("1.000", "1000", "1000"),
        ("17", "'17", "'17"),
        ("2024-03-05", "2024-03-05 00:00:00", "2024-03-05 00:00:00"),
    ],
)
def test_one_package_in_two_spellings(folder: "DataFolder", one: str, other: str, escaped: str) -> None:
    folder.listed(f"a.png,A,{one}", "b.png,B,P2", f"c.png,B,{other}", f"d.png,A,{other}")
    assert folder.findings() == [
        (
            f"error: manifest.csv row 4: packages '{one}' (manifest.csv row 2), '{escaped}' (manifest.csv row 4) "
            "are spellings of one part; "
            "write one part's package_id in one way, or tell two parts apart by more"
        )
    ]


def test_one_package_in_two_spellings_of_file_names(folder: "DataFolder") -> None:
    for name in ("A/P07_0.png", "A/P8_0.png", "B/P7_100.png"):
        folder.image(name)
    assert folder.findings(package_pattern="^[^_]+") == [
        (
            "error: B/P7_100.png: packages 'P07' (A/P07_0.png), 'P7' (B/P7_100.png) are spellings of one part; "
            "write one part's package_id in one way, or tell two parts apart by more"
        )
    ]


def test_one_metallization_in_two_spellings_is_a_warning(folder: "DataFolder") -> None:
    folder.listed("a.png,A,P1,Ag", "b.png,B,P2,AG", "c.png,A,P3,Cu", header=f"{HEADER},metallization")
    assert folder.findings() == [
        (
            "warning: manifest.csv row 3: metallizations 'Ag' (manifest.csv row 2), 'AG' (manifest.csv row 3) "
            "are spellings of one word; write it in one way"
        )
    ]


@pytest.mark.parametrize(
    ("label", "finding"),
    [
        ("OK\u200b", "error: manifest.csv row 4: label 'OK\\u200b' (in 1 of 4 scans) looks like 'OK' (in 2)"),
        ("O\u041a", "error: manifest.csv row 4: label 'O\\u041a' (in 1 of 4 scans) looks like 'OK' (in 2)"),
        ("ok", "warning: manifest.csv row 4: label 'ok' (in 1 of 4 scans) looks like 'OK' (in 2)"),
    ],
)
def test_labels_that_a_reader_cannot_tell_apart_are_an_error(folder: "DataFolder", label: str, finding: str) -> None:
    folder.listed("a.png,OK,P1", "b.png,OK,P2", f"c.png,{label},P3", "d.png,NG,P4")
    assert folder.findings() == [f"{finding}; correct it, or name the classes in data.classes"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ok", "nok"),
        ("ok", "not ok"),
        ("delam", "no_delam"),
        ("delam", "nondelam"),
        ("voids", "void-free"),
        ("bonded", "unbonded"),
        ("sound bond", "unsound bond"),
        ("with voids", "without voids"),
        ("A1", "A2"),
        ("class A", "class B"),
        ("typeA", "typeB"),
        ("type I", "type II"),
    ],
)
def test_denied_and_counted_labels_are_no_typing_errors(folder: "DataFolder", one: str, other: str) -> None:
    folder.listed(*[f"{n}.png,{one},P{n}" for n in range(40)], f"x.png,{other},PX")
    assert folder.findings() == []


def test_a_denied_label_is_not_taken_for_a_class(folder: "DataFolder") -> None:
    folder.listed("a.png,ok,P1", "b.png,worn,P2", "c.png,nok,P3")
    finding = "error: manifest.csv row 4: unknown label 'nok'; write one of ok, worn"
    assert folder.findings(classes=["ok", "worn"]) == [finding]


@pytest.mark.parametrize(
    ("cycles", "what", "mend"),
    [
        ("1.000", "can be read as 1000 or 1", "write 1000 or 1"),
        ("1,000", "can be read as 1000 or 1", "write 1000 or 1"),
        ("12.000", "can be read as 12000 or 12", "write 12000 or 12"),
        ("1 000", "is not written in digits alone", "write 1000"),
        ("1'000", "is not written in digits alone", "write 1000"),
        ("1.000.000", "is not written in digits alone", "write 1000000"),
        ("1.000,00", "is not written in digits alone", "write 1000"),
        ("100,0", "is not written in digits alone", "write 100"),
        ("0.000", "is not written in digits alone", "write 0"),
    ],
)
def test_cycles_with_a_thousands_mark_are_refused(folder: "DataFolder", cycles: str, what: str, mend: str) -> None:
    folder.listed(f'a.png,A,P1,"{cycles}"', "b.png,B,P2,100", header=f"{HEADER},cycles")
    assert folder.findings() == [f"error: manifest.csv row 2: cycles '{cycles}' {what}; {mend}"]


@pytest.mark.parametrize("space", ["\xa0", "\u202f", "\u2009"])
def test_cycles_with_a_narrow_space(folder: "DataFolder", space: str) -> None:
    folder.listed(f"a.png,A,P1,1{space}000", "b.png,B,P2,100", header=f"{HEADER},cycles")
    assert folder.findings() == [
        f"error: manifest.csv row 2: cycles '1{ascii(space)[1:-1]}000' is not written in digits alone; write 1000"
    ]


@pytest.mark.parametrize("cycles", ["100.0", "100.", "100.00", "0.0", "0100"])
def test_cycles_as_a_column_with_gaps_writes_them(folder: "DataFolder", cycles: str) -> None:
    folder.listed(f"a.png,A,P1,{cycles}", "b.png,B,P2,7", header=f"{HEADER},cycles")
    assert folder.good().table["cycles"].to_list() == [float(cycles), 7]
