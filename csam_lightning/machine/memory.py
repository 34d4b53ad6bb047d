"""How the C library's allocator treats memory that a network frees after each step: kept for the next, in large pages.

By default much of it goes back to the system, which clears every page anew for the next step: 9,000 page faults a step
of 8 images of 100 px, see ``benchmarks/NOTES.md``. None of this touches a number. Where the C library is not GNU's it
does nothing. Tables of text are the other way about: what reading one has freed goes back to the system.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of ``malloc.h``."""
NO_TRIM = 2**31 - 1
"""The largest value that ``mallopt`` takes."""
LARGEST_KEPT = 2**25
"""Larger blocks go back to the system as before: kept ones of many sizes leave gaps that no other fits into."""

TUNABLES = "GLIBC_TUNABLES"
LARGE_PAGES = "glibc.malloc.hugetlb=1"


def keep_freed_memory() -> None:
    """Make this process keep the memory that it frees, for its own next use; see ``man mallopt``."""
    if library := _gnu_library():
        library.mallopt(TRIM_THRESHOLD, NO_TRIM)
        library.mallopt(MMAP_THRESHOLD, LARGEST_KEPT)


def return_freed_memory() -> None:
    """Give the memory that was kept back to the system: the next use is for blocks of other sizes."""
    if library := _gnu_library():
        library.malloc_trim(0)


def take_arrow_s_memory_from_the_c_library() -> None:
    """Make Arrow, and so pandas' text, do without an allocator of its own from now on, in all of this process.

    Its own keep what is freed: twice as much as the table of a manifest of 100,000 rows.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def _gnu_library() -> ctypes.CDLL | None:
    """Return the C library if it is GNU's, which alone has all of these functions."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if library and hasattr(library, "malloc_trim") else None


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
