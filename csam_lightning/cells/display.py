"""What a person sees of a cell: progress while it trains, tables when it is done."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from csam_lightning.evaluation.calibrated import rate_text
from csam_lightning.progress import bar, console, wide_console
from csam_lightning.training.events import EpochEnded, Event, FoldEnded, FoldFailed
from csam_lightning.wording import counted

if TYPE_CHECKING:
    from csam_lightning.cells.result import CellResult
    from csam_lightning.evaluation.calibrated import CalibratedResult
    from csam_lightning.evaluation.metrics import Scores

COLUMNS = {
    "train_accuracy": "train acc",
    "val_accuracy": "val acc",
    "delta_accuracy": "Δ acc",
    "train_loss": "train loss",
    "val_loss": "val loss",
    "delta_loss": "Δ loss",
    "val_f1": "F1",
    "val_precision": "precision",
    "val_recall": "recall",
}
OTHER_MIX = 0.1
"""Difference of a class's share from which two class mixes are no longer alike."""


@contextmanager
def fold_progress(name: str, *, epochs: int, done: dict[int, int]) -> Iterator[Callable[[Event | None], None]]:
    """Show a cell's folds in training; yield the function that takes their events.

    On a terminal there is a bar for each fold and one for the cell; elsewhere a line for each epoch.

    Args:
        name: The cell's name.
        epochs: Epochs per fold.
        done: Epochs already trained, by fold.
    """
    on = console()
    if not on.is_terminal:
        yield lambda event: _print_event(on, event, epochs)
        return
    with bar(on) as progress:
        whole = progress.add_task(name, total=epochs * len(done), completed=sum(done.values()))
        tasks = {fold: progress.add_task(f"  fold {fold}", total=epochs, completed=past) for fold, past in done.items()}

        def show(event: Event | None) -> None:
            if isinstance(event, EpochEnded):
                progress.update(whole, advance=1)
                told = f"  fold {event.fold}: val accuracy {event.metrics['val/accuracy']:.3f}"
                progress.update(tasks[event.fold], completed=event.epoch, description=told)
            elif isinstance(event, FoldFailed):
                progress.update(tasks[event.fold], description=f"  fold {event.fold}: failed")

        yield show


def _print_event(on: Console, event: Event | None, epochs: int) -> None:
    if isinstance(event, EpochEnded):
        numbers = event.metrics
        on.print(
            f"fold {event.fold} epoch {event.epoch}/{epochs}: "
            f"train loss {numbers['train/loss']:.3f}, accuracy {numbers['train/accuracy']:.3f}; "
            f"val loss {numbers['val/loss']:.3f}, accuracy {numbers['val/accuracy']:.3f}; "
            f"{numbers['seconds']:.1f} s",
            soft_wrap=True,
        )
    elif isinstance(event, FoldEnded):
        on.print(f"fold {event.fold} finished")
    elif isinstance(event, FoldFailed):
        on.print(f"fold {event.fold} failed: {event.reason}", markup=False, soft_wrap=True)


def print_result(
    name: str, result: "CellResult", classes: Sequence[str], *, protocol: str = "grouped", whole: bool = True
) -> None:
    """Print a cell's table of folds and its confusion matrices to stdout.

    Args:
        name: The cell's name.
        result: Its folds, summed up.
        classes: Class names in order.
        protocol: ``grouped`` or ``published``.
        whole: Whether these are all folds of the cell.
    """
    on = wide_console()
    on.print(f"\n[bold]{name}[/bold]: cross-validation, {counted(len(result.folds), 'fold')}")
    on.print(_fold_table(result))
    _print_scores(on, _held_out(protocol, whole=whole), result.out_of_fold)
    if protocol == "published":
        copies = [result.mean[f"val_{score}_with_copies"] for score in ("accuracy", "precision", "recall")]
        on.print(
            "With the augmented copies, as the published protocol reports, mean of the folds: "
            f"accuracy {copies[0]:.3f}, macro precision {copies[1]:.3f}, macro recall {copies[2]:.3f}"
        )
    on.print(_confusion_table(result.out_of_fold, classes))
    single = result.single_test
    if result.test is not None and single is not None:
        _print_scores(on, "Test split: ensemble of the folds", result.test)
        on.print(_confusion_table(result.test, classes))
        on.print(f"One network alone, mean of the folds: {_scores(single)}")
    _print_calibrated(on, result, classes)


def _print_calibrated(on: Console, result: "CellResult", classes: Sequence[str]) -> None:
    """Print how good the model is as it judges, or why that is unknown."""
    calibrated = result.calibrated
    on.print("\n[bold]As the model judges[/bold]")
    if calibrated is None:
        on.print(
            "Not calibrated, without escape and overkill: under the published protocol, "
            "held-out scans share packages with training.\n"
        )
        return
    rule = "" if calibrated.sound is None else f"; class D needs a probability above sound={calibrated.sound:g}"
    trained = calibrated.prevalence == calibrated.trained_mix
    mix = "of the training data" if trained else _mix_text(calibrated.prevalence, classes)
    on.print(f"calibrated for the class mix {mix}{rule}")
    table = Table("", box=None)
    for title in ("accuracy", "macro F1", *(("escape", "overkill") if calibrated.sound is not None else ())):
        table.add_column(title, justify="right")
    for title, scored in (("out of fold", calibrated.out_of_fold), ("test split", calibrated.test)):
        if scored is not None:
            rates = [] if calibrated.sound is None else [rate_text(scored.escape), rate_text(scored.overkill)]
            table.add_row(title, f"{scored.scores.accuracy:.3f}", f"{scored.scores.f1:.3f}", *rates)
    on.print(table)
    _print_class_mixes(on, calibrated, classes)
    if len(result.folds) == 1:
        on.print("One fold: its calibration is fitted on the scans that it is scored on.")
    if calibrated.sound is not None:
        on.print(
            "escape: delaminated scans called sound (D); overkill: sound scans called delaminated\n"
            "in brackets: 95 % confidence intervals that count packages, not scans"
        )
    on.print()


def _print_class_mixes(on: Console, calibrated: "CalibratedResult", classes: Sequence[str]) -> None:
    """Print the class mixes where the test split's differs from the one that the model is calibrated for."""
    if calibrated.test is None:
        return
    tested = _mix_of(calibrated.test.scores)
    if max(abs(a - b) for a, b in zip(calibrated.prevalence, tested, strict=True)) <= OTHER_MIX:
        return
    whose = "training data" if calibrated.prevalence == calibrated.trained_mix else "calibrated for"
    on.print(
        "The test split has another class mix, so the calibrated model scores lower there than on scans of its own mix:"
    )
    on.print(
        f"{whose} {_mix_text(calibrated.prevalence, classes)}; test split {_mix_text(tested, classes)}", markup=False
    )


def _mix_of(scores: "Scores") -> Sequence[float]:
    """Return the share of each class among the scans that were scored."""
    counts = scores.confusion_matrix.sum(axis=1)
    shares: list[float] = (counts / counts.sum()).tolist()
    return shares


def _mix_text(mix: Sequence[float], classes: Sequence[str]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in zip(classes, mix, strict=True))


def _held_out(protocol: str, *, whole: bool) -> str:
    scans = "every scan" if whole else "every scan of these folds"
    if protocol == "published":
        return "Held out, scans as scanned: copies of a scan, and other scans of its package, were learnt from"
    return f"Out of fold: {scans} judged by the one network that did not learn from it"


def _print_scores(on: Console, title: str, scores: "Scores") -> None:
    values = {name: getattr(scores, name) for name in ("accuracy", "f1", "precision", "recall")}
    on.print(f"\n[bold]{title}[/bold]\nlikeliest class, not calibrated: {_scores(values)}")


def _scores(values: Mapping[str, float]) -> str:
    return (
        f"accuracy {values['accuracy']:.3f}, macro F1 {values['f1']:.3f}, "
        f"macro precision {values['precision']:.3f}, macro recall {values['recall']:.3f}"
    )


def _fold_table(result: "CellResult") -> Table:
    table = Table("fold")
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for fold in result.folds:
        table.add_row(str(fold.number), *(f"{fold.metrics[metric]:.3f}" for metric in COLUMNS))
    table.add_section()
    table.add_row("mean", *(f"{result.mean[metric]:.3f}" for metric in COLUMNS))
    if len(result.folds) > 1:
        table.add_row("± sd", *(f"{result.std[metric]:.3f}" for metric in COLUMNS))
    return table


def _confusion_table(scores: "Scores", classes: Sequence[str]) -> Table:
    table = Table("actual \\ predicted")
    for name in classes:
        table.add_column(escape(name), justify="right")
    for name, row in zip(classes, scores.confusion_matrix, strict=True):
        table.add_row(escape(name), *(str(count) for count in row))
    return table
