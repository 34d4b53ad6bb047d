"""Writes a report to a folder: figures, tables, ``report.md`` and ``report.html``."""

import base64
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from csam_lightning.figures.style import PAGE, save, styled
from csam_lightning.files import written_atomically
from csam_lightning.pages import page_head
from csam_lightning.reporting.comparison import BY_LIKELIEST
from csam_lightning.reporting.document import Document, Item
from csam_lightning.reporting.tables import Table, markdown_text, written

FIGURES, TABLES = "figures", "tables"
CHOSEN = f"How the cell was chosen: {BY_LIKELIEST}"
PAPERS = "By the paper's published rule, which looks at overfitting alone"

_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
img { height: auto; } figure { margin: 0; }
.missing { color: #555; font-style: italic; }
pre { white-space: pre-wrap; margin: .5rem 0; }
.choice { border-left: 4px solid #0072B2; padding: .2rem 1rem; margin: 1rem 0; background: #f5f8fb; }
.rule { color: #555; font-size: .9rem; }
.scroll { overflow-x: auto; background-repeat: no-repeat;
  background-size: 2rem 100%, 2rem 100%, .6rem 100%, .6rem 100%; background-position: left, right, left, right;
  background-attachment: local, local, scroll, scroll;
  background-image: linear-gradient(to right, #fff, #fff0), linear-gradient(to left, #fff, #fff0),
    linear-gradient(to right, #0004, #0000), linear-gradient(to left, #0004, #0000); }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th.text, td.text { text-align: left; } td.long { white-space: normal; min-width: 20rem; }
"""
WIDTH = 42
"""Width in rem below which a figure as wide as a page is not shrunk but scrolled."""
LONG = 40
"""Characters of a table's entry above which its lines are broken."""
INLINE = 12
"""Rows of a table above which it is not shown at once."""


def write_report(document: Document, folder: Path) -> Path:
    """Write a report and return its ``report.html``, which needs no other file.

    Figures and tables of an earlier report in the folder that this one does not have are removed; nothing else is.
    """
    pictures = {}
    for item in document.items:
        stem = folder / FIGURES / item.id
        if item.figure is None:
            _remove(item, folder)
            continue
        with styled():
            save(item.figure, stem)
        pictures[item.id] = stem.with_suffix(".svg").read_bytes()
    tables = [table for item in document.items for table in item.tables]
    for table in [*tables, *document.tables, document.unfinished]:
        _write(folder / TABLES / f"{table.name}.csv", table.csv())
        _write(folder / TABLES / f"{table.name}.md", table.markdown())
    _write(folder / "report.md", "".join(_markdown(document)))
    _write(folder / "report.html", "".join(_html(document, pictures)))
    return folder / "report.html"


def _remove(item: Item, folder: Path) -> None:
    files = [folder / FIGURES / f"{item.id}{suffix}" for suffix in (".png", ".svg")]
    files += [folder / TABLES / f"{item.id}{part}{suffix}" for part in ("", "_classes") for suffix in (".csv", ".md")]
    for file in files:
        file.unlink(missing_ok=True)


def _write(path: Path, content: str) -> None:
    with written_atomically(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def _markdown(document: Document) -> Iterable[str]:
    advice, papers = document.advice, document.papers
    first, *others = map(markdown_text, advice.sentences)
    yield f"# {markdown_text(document.title)}\n\n{' '.join([f'**{first}**', *others])}\n\n"
    if advice.command is not None:
        yield f"Next, on new scans: `{advice.command.replace('`', '')}`\n\n"
    yield from (f"- {markdown_text(fact)}\n" for fact in document.facts)
    yield f"\n## {CHOSEN}\n\n{markdown_text(advice.reason)}\n\n"
    yield f"*The rule.* {markdown_text(advice.rule)}\n\n"
    yield from (f"{markdown_text(remark)}\n\n" for remark in document.remarks)
    for table in document.tables:
        yield from _markdown_table(table)
    yield f"**{PAPERS}: {markdown_text(papers.cell.name)}.** {markdown_text(papers.reason)}\n\n"
    yield f"*The rule.* {markdown_text(papers.rule)}\n\n"
    for item in document.items:
        yield f"## {markdown_text(item.title)}\n\n"
        if item.figure is None:
            yield f"*Not drawn.* {markdown_text(item.text)}\n\n"
            continue
        yield f"![{markdown_text(item.title)}]({FIGURES}/{item.id}.png)\n\n{markdown_text(item.text)}\n\n"
        for table in item.tables:
            yield from _markdown_table(table)
    if document.unfinished.rows:
        yield f"## {document.unfinished.title}\n\n{document.unfinished.markdown()}\n"


def _markdown_table(table: Table) -> Iterable[str]:
    if len(table.rows) <= INLINE:
        yield f"{table.markdown()}\n"
    yield f"{markdown_text(table.title)}: [{table.name}.csv]({TABLES}/{table.name}.csv)\n\n"


def _html(document: Document, pictures: Mapping[str, bytes]) -> Iterable[str]:
    title = escape(document.title)
    yield page_head(document.title, _STYLE)
    advice, papers = document.advice, document.papers
    first, *others = map(escape, advice.sentences)
    yield f'<h1>{title}</h1>\n<div class="choice"><p><b>{first}</b> {" ".join(others)}</p>'
    if advice.command is not None:
        yield f"<p>Next, on new scans:</p><pre>{escape(advice.command)}</pre>"
    yield f"</div>\n<ul>{''.join(f'<li>{escape(fact)}</li>' for fact in document.facts)}</ul>\n"
    yield f"<h2>{CHOSEN}</h2>\n<p>{escape(advice.reason)}</p>\n"
    yield f'<p class="rule">The rule. {escape(advice.rule)}</p>\n'
    yield from (f"<p>{escape(remark)}</p>\n" for remark in document.remarks)
    yield from (_html_details(table) for table in document.tables)
    yield f"<p><b>{PAPERS}: {escape(papers.cell.name)}.</b> {escape(papers.reason)}</p>\n"
    yield f'<p class="rule">The rule. {escape(papers.rule)}</p>\n'
    for item in document.items:
        yield f'<h2 id="{item.id}">{escape(item.title)}</h2>\n'
        if item.figure is None:
            yield f'<p class="missing">Not drawn. {escape(item.text)}</p>\n'
            continue
        picture = base64.b64encode(pictures[item.id]).decode()
        source = f"data:image/svg+xml;base64,{picture}"
        share = min(1, item.figure.get_figwidth() / PAGE)
        size = f"width: {share:.0%}; min-width: {WIDTH * share:.1f}rem"
        yield f'<figure><div class="scroll"><img alt="{escape(item.title)}" style="{size}" src="{source}"></div>\n'
        yield f"<figcaption>{escape(item.text)}</figcaption></figure>\n"
        yield from (_html_details(table) for table in item.tables)
    if document.unfinished.rows:
        yield f"<h2>{escape(document.unfinished.title)}</h2>\n{_html_table(document.unfinished)}"
    yield "</body>\n</html>\n"


def _html_details(table: Table) -> str:
    shut = "" if len(table.rows) <= INLINE else f" ({len(table.rows)} rows)"
    opened = f"<details{'' if shut else ' open'}><summary>{escape(table.title)}{shut}</summary>"
    return f"{opened}{_html_table(table)}</details>\n"


def _html_table(table: Table) -> str:
    words = [any(isinstance(row[place], str) for row in table.rows) for place in range(len(table.header))]
    head = "".join(f"<th{_class(word)}>{escape(title)}</th>" for title, word in zip(table.header, words, strict=True))
    body = "".join(
        f"<tr>{''.join(_html_entry(written(entry), word) for entry, word in zip(row, words, strict=True))}</tr>\n"
        for row in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n'


def _html_entry(text: str, word: bool) -> str:
    return f"<td{_class(word, long=len(text) > LONG)}>{escape(text)}</td>"


def _class(word: bool, *, long: bool = False) -> str:
    names = [name for name, holds in (("text", word), ("long", long)) if holds]
    return f' class="{" ".join(names)}"' if names else ""
