"""Pages of HTML that need no other file, and under whose policy nothing is loaded or run."""

from html import escape

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
"""


def page_head(title: str, style: str) -> str:
    """Return the beginning of a page, up to its body; ``</body></html>`` ends it.

    Args:
        title: Plain text, untrusted.
        style: CSS.
    """
    return _HEAD.format(title=escape(title), style=style)
