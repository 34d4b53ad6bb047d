"""Completes what earlier processes left open in MLflow: results not sent, runs still shown as running."""

from collections.abc import Iterator
from pathlib import Path

from csam_lightning.cells.locks import cell_locked_if_free, sweep_locked_if_free
from csam_lightning.state import peek_state, read_json
from csam_lightning.tracking.publisher import Publisher
from csam_lightning.tracking.store import short, store_uri
from csam_lightning.tracking.sweep_run import SweepRun


def settle(*, cells: Path, grids: Path, uri: str | None) -> None:
    """Send what could not be sent to the store at ``uri``, and end the runs of processes that are dead.

    A damaged file is set aside and ends nothing. What another process works on is left to it; after a store that does
    not answer, nothing more is tried.

    Args:
        cells: Folder of the cells.
        grids: Folder of the sweeps' grids.
        uri: The store, see :func:`csam_lightning.tracking.store.store_uri`.
    """
    address = store_uri(uri)
    for file in _undone(cells, short(address)):
        with cell_locked_if_free(file.parent.parent) as held:
            publisher = Publisher.of(file, uri=address) if held else None
            if publisher and not publisher.settle():
                return
    for file in sorted(grids.glob(f"*/{short(address)}-*.run.json")):
        if _open(file):
            with sweep_locked_if_free(file.parent) as held:
                run = SweepRun.of(file, uri=address) if held else None
                if run:
                    run.settle()


def _undone(cells: Path, store: str) -> Iterator[Path]:
    """Yield a file of each cell and sweep that has results to send or runs that are open."""
    yield from sorted(cells.glob(f"*/tracking/{store}-*.pending.json"))
    for file in sorted(cells.glob(f"*/tracking/{store}-*.sent.json")):
        if not file.with_name(file.name.replace(".sent.", ".pending.")).is_file() and _open(file):
            yield file


def _open(file: Path) -> bool:
    """Return whether a run is open, or may be: the file is damaged."""
    content = peek_state(file, read_json)
    return content is None or bool(content.get("open"))
