import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from csam_lightning.sweeps.folder import JobOutcome, SweepFolder
from csam_lightning.sweeps.summary import (
    BASIS,
    COLUMNS,
    LOST,
    NO_ADVICE,
    Failed,
    Ranked,
    Summary,
    grouped,
    print_summary,
    sum_up_sweep,
    write_summary,
)
from tests.sweeps.test_sweep_plan import planned


@pytest.mark.parametrize("over", [False, True])
def test_job_that_said_nothing_is_left_to_do_or_lost(
    over: bool, scans_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    folder.write(JobOutcome(1, None, "cell", "folder", "out of memory"))
    summary = sum_up_sweep(planned(scans_folder, "data.size=24", "seed=0,1,2"), folder, over=over)
    print_summary(summary)
    said = capsys.readouterr().out
    assert "seed=1: out of memory\n" in said
    assert (f"seed=2: {LOST}\n" in said) == over
    assert ("Jobs that are not done: 2. The same command goes on with them.\n" in said) == (not over)


def test_cells_of_one_name_are_told_apart_by_their_overrides(scans_folder: Path, tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    plan = planned(scans_folder, "data.size=24", "trainer.learning_rate=1e-3,1e-2", "data.batch_size=8,16")
    for number, name in enumerate(("24 px100 b8", "24 px100 b16", "24 px100 b8", "24 px100 b16 other")):
        results = tmp_path / str(number)
        results.mkdir()
        (results / "result.json").write_text(json.dumps({"mean": {"val_f1": 1 - number / 10}}))
        folder.write(JobOutcome(number, f"id{number}", name, str(results)))
    assert [cell.name for cell in sum_up_sweep(plan, folder, over=True).done] == [
        "24 px100 b8 · trainer.learning_rate=0.001",
        "24 px100 b16",
        "24 px100 b8 · trainer.learning_rate=0.01",
        "24 px100 b16 other",
    ]


def test_cells_validated_on_other_scans_are_ranked_apart(
    scans_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    plan = planned(scans_folder, "data.size=12,24", "data.batch_size=8,16")
    for number, (size, score) in enumerate(((12, 0.9), (12, 0.8), (24, 0.5), (24, 0.7))):
        results = tmp_path / str(number)
        results.mkdir()
        scores = dict.fromkeys(COLUMNS, score)
        found = {"mean": scores, "std": scores, "out_of_fold": {"confusion_matrix": [[size - 2, 1], [0, 1]]}}
        (results / "result.json").write_text(json.dumps(found))
        folder.write(JobOutcome(number, f"id{number}", f"{size} {score}", str(results)))
    summary = sum_up_sweep(plan, folder, over=True)
    assert [cell.name for cell in summary.done] == ["24 0.7", "24 0.5", "12 0.9", "12 0.8"]
    print_summary(summary)
    said = capsys.readouterr().out
    assert NO_ADVICE in said
    assert said.index("24 0.5") < said.index("├") < said.index("12 0.9")
    assert "escape" not in said
    assert f"{BASIS}.\n" in said


def test_ranks_begin_anew_where_other_scans_validated(tmp_path: Path) -> None:
    scores = dict.fromkeys(COLUMNS, 0.5)
    results = [
        {"mean": scores, "std": scores, "out_of_fold": {"confusion_matrix": [[scans]]}, "cell_id": "", "run_id": None}
        for scans in (24, 24, 12)
    ]
    cells = [Ranked("one", {**result, "seconds": 1.0, "folds": [{}]}) for result in results]
    write_summary(Summary(cells, [], 0), tmp_path)
    assert pd.read_csv(tmp_path / "summary.csv")["rank"].tolist() == [1, 2, 1]


def test_summary_has_escape_and_overkill_with_their_intervals(tmp_path: Path) -> None:
    """At the end of each row, empty where they are not known."""
    scores = dict.fromkeys(COLUMNS, 0.5)
    old: dict[str, Any] = {"mean": scores, "std": scores, "cell_id": "", "run_id": None, "seconds": 1.0, "folds": [{}]}
    rate = {"value": 0.04, "low": 0.01, "high": 0.09, "scans": 100, "packages": 20}
    new = {**old, "calibrated": {"out_of_fold": {"escape": rate, "overkill": {**rate, "value": 0.02}}}}
    write_summary(Summary([Ranked("new", new), Ranked("old", old)], [Failed("job", "why")], 0), tmp_path)
    table = pd.read_csv(tmp_path / "summary.csv")
    columns = ["escape", "escape_low", "escape_high", "overkill", "overkill_low", "overkill_high"]
    assert list(table.columns[-7:]) == ["outcome", *columns]
    assert table[columns].iloc[0].tolist() == [0.04, 0.01, 0.09, 0.02, 0.01, 0.09]
    assert table[columns].iloc[1:].isna().all(axis=None)


def test_escape_and_overkill_are_shown_where_they_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    scores = dict.fromkeys(COLUMNS, 0.5)
    rates = {"out_of_fold": {"escape": {"value": 0.0401}, "overkill": {"value": 0.123}}}
    known = {"mean": scores, "std": scores, "calibrated": rates}
    print_summary(Summary([Ranked("new", known), Ranked("old", {"mean": scores, "std": scores})], [], 0))
    said = capsys.readouterr().out
    assert f"{BASIS}; escape and overkill are those after calibration.\n" in said
    rows = [line for line in said.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in rows[0].split("│")[-3:-1]] == ["4.0 %", "12.3 %"]
    assert [cell.strip() for cell in rows[1].split("│")[-3:-1]] == ["", ""]


def test_impossible_jobs_are_counted_apart_from_failures(
    scans_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    folder.write(JobOutcome(0, None, "cell", "folder", "out of memory"))
    summary = sum_up_sweep(planned(scans_folder, "data.size=-1,24,-2"), folder, over=True)
    print_summary(summary)
    assert capsys.readouterr().out.splitlines()[-1] == "0 cells done, 1 failed, 2 impossible (listed above)"
    [table] = write_summary(summary, tmp_path)
    with table.open() as file:
        rows = [(row["cell"], row["outcome"], row["reason"][:24]) for row in csv.DictReader(file)]
    assert rows == [
        ("data.size=24", "failed", "out of memory"),
        ("data.size=-1", "impossible", "data.size: data size -1 "),
        ("data.size=-2", "impossible", "data.size: data size -2 "),
    ]


@pytest.mark.parametrize("rates", [{}, {"escape": {"value": 0.2}, "overkill": {"value": 0.1}}])
def test_ranking_shortens_no_name(capsys: pytest.CaptureFixture[str], rates: dict[str, dict[str, float]]) -> None:
    scores = dict.fromkeys(COLUMNS, 0.5)
    names = [f"840 px64 b16 · trainer.precision={precision}" for precision in ("32-true", "bf16-mixed")]
    result = {"mean": scores, "std": scores, "calibrated": {"out_of_fold": rates}}
    print_summary(Summary([Ranked(name, result) for name in names], [], 0))
    first_column = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert "".join(first_column).replace(" ", "") == "".join(names).replace(" ", "")


def test_failures_of_one_reason_are_one_line_with_what_many_share() -> None:
    many = [(f"size=1 side={side}", "too few") for side in range(4)]
    apart = [(f"seed={seed}", "lost") for seed in range(4)]
    few = [("size=2 side=0", "no memory"), ("size=2 side=1", "no memory")]
    assert list(grouped([*many, *apart, *few])) == [
        "4 jobs with size=1: too few",
        "seed=0; seed=1; seed=2; seed=3: lost",
        "size=2 side=0; size=2 side=1: no memory",
    ]
