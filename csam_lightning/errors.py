"""Errors whose cure is in the user's hands."""


class RunFailedError(RuntimeError):
    """A run failed for no fault of the user's: ends a command with exit status 1."""


class InputError(Exception):
    """Bad input or a bad setting: ends a command with exit status 2 and one line, without a traceback.

    Args:
        what: What is wrong, for example ``unknown label 'delam'``.
        where: File and row, or the setting, for example ``manifest.csv row 12``.
        mend: What the user can do about it, for example ``write one of A, B, C, D``.
    """

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        """Keep the three parts and join them into the line that the user reads."""
        super().__init__(f"{where}: {what}; {mend}")
        self.what = what
        self.where = where
        self.mend = mend
