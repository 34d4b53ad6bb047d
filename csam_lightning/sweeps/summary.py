"""What came out of a sweep: its cells, best first, and those that failed with their reason."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from csam_lightning.files import written_atomically
from csam_lightning.progress import wide_console
from csam_lightning.state import peek_state
from csam_lightning.sweeps.folder import JobOutcome, SweepFolder
from csam_lightning.sweeps.plan import SweepPlan
from csam_lightning.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = {
    "val_f1": "macro F1",
    "val_precision": "precision",
    "val_recall": "recall",
    "val_accuracy": "val acc",
    "delta_accuracy": "Δ acc",
    "delta_loss": "Δ loss",
}
LESS_SHOWN = ("val_precision", "val_recall")
"""Left to ``summary.csv`` where escape and overkill are known, so that cells' names have room."""
LOST = "ended without a result: its process was killed, or the sweep was interrupted"
MANY = 4
ERRORS = ("escape", "overkill")
"""After calibration, as ``result.json`` has them."""
NO_ADVICE = "This order is no recommendation: python -m csam_lightning.report compares the cells and names one."
BASIS = "Scores are of the likeliest classes, before calibration"
ERRORS_BASIS = "; escape and overkill are those after calibration"
DRAWN = 40
"""Cells in the figure, at most; more would not be legible."""


@dataclass(frozen=True)
class Ranked:
    """A cell that is done.

    Attributes:
        name: The cell's name; where another cell has it too, with the overrides that set this one apart.
        result: Its ``result.json``.
    """

    name: str
    result: dict[str, Any]

    @property
    def f1(self) -> float:
        """Macro F1, mean over the folds."""
        return float(self.result["mean"]["val_f1"])

    @property
    def validated_on(self) -> tuple[int, str]:
        """How many scans validated, and of which data set: scores on other scans do not compare."""
        counts = self.result.get("out_of_fold", {}).get("confusion_matrix", ())
        return sum(map(sum, counts)), str(self.result.get("data_fingerprint"))

    def error(self, which: str) -> float | None:
        """Return ``escape`` or ``overkill`` over the out-of-fold scans; None where it is not known."""
        return self.error_interval(which)[0]

    def error_interval(self, which: str) -> tuple[float | None, ...]:
        """Return ``escape`` or ``overkill`` and both ends of its 95 % interval; None where they are not known."""
        scores = (self.result.get("calibrated") or {}).get("out_of_fold") or {}
        known = scores.get(which) or {}
        return tuple(None if known.get(name) is None else float(known[name]) for name in ("value", "low", "high"))


@dataclass(frozen=True)
class Failed:
    """A job that failed.

    Attributes:
        label: The overrides that set it apart.
        reason: Why, in one line.
        cell_id: The cell, where it came so far as to be one.
    """

    label: str
    reason: str
    cell_id: str | None = None


@dataclass(frozen=True)
class Summary:
    """A sweep's cells.

    Attributes:
        done: Cells that are done, each once; those validated on the same scans together, best macro F1 first.
        failed: Jobs that failed, in order.
        left: Number of jobs that an interruption left undone.
        impossible: Jobs that were never launched, in order.
    """

    done: Sequence[Ranked]
    failed: Sequence[Failed]
    left: int
    impossible: Sequence[Failed] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many cells are done, how many failed, and how many are impossible."""
        return {"done": len(self.done), "failed": len(self.failed), "impossible": len(self.impossible)}


def sum_up_sweep(plan: SweepPlan, folder: SweepFolder, *, over: bool, lost: str = LOST) -> Summary:
    """Read how the jobs of a sweep ended.

    Args:
        plan: The sweep.
        folder: Its folder.
        over: Whether Hydra has run all jobs; one that has said nothing by then has failed.
        lost: Why it has.
    """
    outcomes = folder.read()
    outcomes = {number: _with_result(outcome) for number, outcome in outcomes.items()}
    done = {outcome.cell_id: outcome for outcome in outcomes.values() if outcome.reason is None}
    names = _named_apart(plan, list(done.values()))
    ranked = [Ranked(name, _result(Path(outcome.folder))) for name, outcome in zip(names, done.values(), strict=True)]
    failed = [
        Failed(job.label, outcomes[job.number].reason or "", outcomes[job.number].cell_id)
        for job in plan.jobs
        if job.number in outcomes and outcomes[job.number].reason is not None
    ]
    silent = [job for job in plan.jobs if job.number not in outcomes]
    if over:
        failed += [Failed(job.label, lost) for job in silent]
    impossible = [Failed(job.label, job.reason) for job in plan.impossible]
    return Summary(_ranked(ranked), failed, 0 if over else len(silent), impossible)


def _ranked(cells: Iterable[Ranked]) -> list[Ranked]:
    """Return cells validated on the same scans together, those on most scans first, then the best macro F1 first."""
    return sorted(cells, key=lambda cell: (-cell.validated_on[0], cell.validated_on[1], -cell.f1))


def _with_result(outcome: JobOutcome) -> JobOutcome:
    """Return how a job ended: without its results, which were lost since, it has failed."""
    if outcome.reason is not None or peek_state(Path(outcome.folder), _result) is not None:
        return outcome
    return replace(outcome, reason=f"{Path(outcome.folder) / 'result.json'} is damaged or gone; run the command again")


def _named_apart(plan: SweepPlan, outcomes: Sequence[JobOutcome]) -> list[str]:
    """Return the cells' names, those that share one told apart by the overrides in which they differ."""
    labels = {job.number: job.label.split() for job in plan.jobs}
    names = []
    for outcome in outcomes:
        others = [labels[other.number] for other in outcomes if other.name == outcome.name]
        apart = [part for part in labels[outcome.number] if not all(part in other for other in others)]
        names.append(" · ".join([outcome.name, *([" ".join(apart)] if apart else [])]))
    return names


def _result(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def print_summary(summary: Summary) -> None:
    """Print the ranking, the failures and how many jobs are left to stdout."""
    on = wide_console()
    if summary.done:
        on.print("\n[bold]Ranking[/bold]: mean ± sd over the folds, best macro F1 first; a line parts other scans")
        known = any(cell.error(which) is not None for cell in summary.done for which in ERRORS)
        on.print(f"{BASIS}{ERRORS_BASIS if known else ''}.", markup=False, soft_wrap=True)
        on.print(_ranking(summary.done))
        on.print(NO_ADVICE, markup=False, soft_wrap=True)
    _print_failures(on, summary.failed)
    if summary.left:
        on.print(f"\nJobs that are not done: {summary.left}. The same command goes on with them.", markup=False)
    on.print(f"\n{_tally(summary)}", markup=False)


def _tally(summary: Summary) -> str:
    told = f"{counted(len(summary.done), 'cell')} done, {len(summary.failed)} failed"
    return f"{told}, {len(summary.impossible)} impossible (listed above)" if summary.impossible else told


def _ranking(cells: Sequence[Ranked]) -> Table:
    table = Table(Column("cell", overflow="fold"))
    errors = [which for which in ERRORS if any(cell.error(which) is not None for cell in cells)]
    metrics = [metric for metric in COLUMNS if not (errors and metric in LESS_SHOWN)]
    for title in (*(COLUMNS[metric] for metric in metrics), *errors):
        table.add_column(title, justify="right", no_wrap=True)
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        ends = following is None or following.validated_on != cell.validated_on
        entries = [
            *(_spread(cell.result, metric) for metric in metrics),
            *(_percent(cell.error(each)) for each in errors),
        ]
        table.add_row(escape(cell.name), *entries, end_section=ends)
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _spread(result: dict[str, Any], metric: str) -> str:
    mean, std = result["mean"][metric], result["std"][metric]
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}"


def _print_failures(on: Console, failed: Sequence[Failed]) -> None:
    if failed:
        on.print("\n[bold]Failed[/bold]")
    for failure in grouped((job.label, job.reason) for job in failed):
        on.print(failure, markup=False, soft_wrap=True)


def grouped(failures: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a line for each reason: its jobs or, of ``MANY``, their number and the overrides that they share.

    Args:
        failures: Of each job the overrides that set it apart, and why it fails.
    """
    labels: dict[str, list[str]] = defaultdict(list)
    for label, reason in failures:
        labels[reason].append(label)
    for reason, jobs in labels.items():
        first, *others = (job.split() for job in jobs)
        shared = " ".join(override for override in first if all(override in other for other in others))
        which = f"{len(jobs)} jobs with {shared}" if len(jobs) >= MANY and shared else "; ".join(jobs)
        yield f"{which}: {reason}"


def write_summary(summary: Summary, folder: Path) -> dict[Path, str]:
    """Write ``summary.csv`` and, where a cell is done, ``ranking.png``; return each file → its folder in MLflow."""
    table, figure = folder / "summary.csv", folder / "ranking.png"
    with written_atomically(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        spreads = [f"{metric}{suffix}" for metric in COLUMNS for suffix in ("", "_std")]
        errors = [f"{which}{suffix}" for which in ERRORS for suffix in ("", "_low", "_high")]
        writer.writerow(["rank", "cell", "cell_id", "run_id", *spreads, "seconds", "reason", "outcome", *errors])
        groups = [cell.validated_on for cell in summary.done]
        for place, cell in enumerate(summary.done):
            rank = place - groups.index(cell.validated_on) + 1
            numbers = [cell.result[kind][metric] for metric in COLUMNS for kind in ("mean", "std")]
            ids = [cell.result["cell_id"], cell.result["run_id"]]
            rates = [share for which in ERRORS for share in cell.error_interval(which)]
            writer.writerow([rank, cell.name, *ids, *numbers, cell.result["seconds"], "", "done", *rates])
        for outcome, jobs in (("failed", summary.failed), ("impossible", summary.impossible)):
            for job in jobs:
                row = ["", job.label, job.cell_id, "", *[""] * len(spreads), "", job.reason, outcome]
                writer.writerow([*row, *[""] * len(errors)])
    if not summary.done:
        return {table: ""}
    with written_atomically(figure) as temporary:
        _drawn(summary.done[:DRAWN], of=len(summary.done)).savefig(temporary, dpi=150)
    return {table: "", figure: ""}


def _drawn(cells: Sequence[Ranked], *, of: int) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.6 + 0.28 * len(cells)), layout="constrained")
    axis = figure.subplots()
    places = range(len(cells), 0, -1)
    spreads = [cell.result["std"]["val_f1"] or 0.0 for cell in cells]
    axis.errorbar([cell.f1 for cell in cells], places, xerr=spreads, fmt="o", color="#0072B2", capsize=3)
    axis.set_yticks(places, [cell.name for cell in cells])
    axis.set_ylim(0.4, len(cells) + 0.6)
    axis.set_xlim(0, 1.02)
    folds = "/".join(sorted({str(len(cell.result["folds"])) for cell in cells}))
    axis.set_xlabel(f"macro F1 on validation scans before calibration, mean ± sd over {folds} folds")
    axis.grid(axis="x", alpha=0.3)
    for place, cell, following in zip(places, cells, cells[1:], strict=False):
        if cell.validated_on != following.validated_on:
            axis.axhline(place - 0.5, color="black", linewidth=0.6, linestyle=":")
    which = counted(len(cells), "cell") if len(cells) == of else f"{len(cells)} of {of} cells"
    axis.set_title(f"{which}, best first among those validated on the same scans")
    return figure
