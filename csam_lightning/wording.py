"""Words of messages that depend on numbers."""


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, with an s where there are several or none: ``1 cell``, ``2 cells``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
