"""What a report says, before it is written in any format."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csam_lightning.reporting.advice import Advice
from csam_lightning.reporting.choice import Choice
from csam_lightning.reporting.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Item:
    """A figure with its tables, or the reason why there is none.

    Attributes:
        id: Its files' name, for example ``figure_6a``.
        title: Its title.
        text: What it shows, with the number of folds and scans; where there is no figure, why.
        figure: The figure, or None.
        tables: Its numbers.
    """

    id: str
    title: str
    text: str
    figure: "Figure | None" = None
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: What it is about.
        facts: What was read, line by line.
        advice: The cell that our rule recommends, or why it recommends none.
        papers: The cell that the paper's rule chooses.
        remarks: What to bear in mind about the choice.
        tables: The candidates that the choice was made from.
        items: Figures and tables, in order.
        unfinished: Cells that take no part, with the reason.
    """

    title: str
    facts: Sequence[str]
    advice: Advice
    papers: Choice
    remarks: Sequence[str]
    tables: Sequence[Table]
    items: Sequence[Item]
    unfinished: Table
