from pathlib import Path

import pytest

from csam_lightning.sweeps.folder import JobOutcome, SweepFolder
from csam_lightning.sweeps.summary import LOST, print_summary, sum_up_sweep
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
