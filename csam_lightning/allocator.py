"""How the C library's allocator treats memory that a network frees after each step: kept for the next, in large pages.

By default much of it goes back to the system, which clears every page anew for the next step: 9,000 page faults a step
of 8 images of 100 px, see ``benchmarks/NOTES.md``. Both functions touch no number. Where the C library is not GNU's
they do nothing.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of ``malloc.h``."""
MOST_BYTES = 2**31 - 1
"""The largest value that ``mallopt`` takes: blocks above 2 GiB go back to the system as before."""

TUNABLES = "GLIBC_TUNABLES"
LARGE_PAGES = "glibc.malloc.hugetlb=1"


def keep_freed_memory() -> None:
    """Make this process keep the memory that it frees, for its own next use; see ``man mallopt``."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(TRIM_THRESHOLD, MOST_BYTES)
        library.mallopt(MMAP_THRESHOLD, MOST_BYTES)


@contextmanager
def large_pages() -> Iterator[None]:
    """Make programs that are started inside the block ask for transparent huge pages, as their C library starts.

    What the user has set in ``GLIBC_TUNABLES`` stays, and wins.
    """
    former = os.environ.get(TUNABLES)
    os.environ[TUNABLES] = LARGE_PAGES if former is None else f"{LARGE_PAGES}:{former}"
    try:
        yield
    finally:
        if former is None:
            del os.environ[TUNABLES]
        else:
            os.environ[TUNABLES] = former
