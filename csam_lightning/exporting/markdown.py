"""Tables in Markdown."""

from collections.abc import Iterable, Iterator, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table; no text in it ends a cell or a line, whatever class names hold."""
    for line in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(_cell(str(value)) for value in line) + " |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
