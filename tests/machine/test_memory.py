import os
import subprocess
import sys

import pytest

from csam_lightning.machine.memory import TUNABLES, large_pages

FAULTS_OF_16_MIB = """
import resource
from csam_lightning.machine.memory import keep_freed_memory
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def of_one_block():
    before = faults()
    bytearray(2**24)
    return faults() - before
usual = of_one_block()
keep_freed_memory()
of_one_block()
print(usual, of_one_block())
"""

HELD_AFTER_256_MIB = """
import os
from csam_lightning.machine.memory import keep_freed_memory, return_freed_memory
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
keep_freed_memory()
blocks = [bytearray(2**24) for _ in range(16)]
del blocks
kept = held()
return_freed_memory()
print(kept, held())
"""

TUNABLES_OF_A_PROCESS = """
import os
from csam_lightning.machine.processes import preloaded_context
process = preloaded_context("csam_lightning.machine.memory").Process(target=os.system, args=("echo $GLIBC_TUNABLES",))
process.start()
process.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the page faults of GNU's C library")
def test_memory_that_was_freed_is_used_again_without_page_faults() -> None:
    environment = {name: value for name, value in os.environ.items() if name != TUNABLES}
    told = subprocess.run(
        [sys.executable, "-c", FAULTS_OF_16_MIB], env=environment, capture_output=True, text=True, check=True
    )
    usual, kept = map(int, told.stdout.split())
    assert usual >= 7  # 2**24 bytes are 4,096 pages of 4 KiB, or some 8 of 2 MiB
    assert kept <= usual / 7


@pytest.mark.skipif(sys.platform != "linux", reason="asks GNU's C library")
def test_memory_that_was_kept_is_given_back_when_asked() -> None:
    told = subprocess.run([sys.executable, "-c", HELD_AFTER_256_MIB], capture_output=True, text=True, check=True)
    kept, given_back = map(int, told.stdout.split())
    assert kept > 2**28
    assert given_back < 2**27


@pytest.mark.parametrize(
    ("user", "inside"),
    [
        (None, "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0"),
    ],
)
def test_programs_ask_for_large_pages_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, user: str | None, inside: str
) -> None:
    if user is None:
        monkeypatch.delenv(TUNABLES, raising=False)
    else:
        monkeypatch.setenv(TUNABLES, user)
    with large_pages():
        assert os.environ[TUNABLES] == inside
    assert os.environ.get(TUNABLES) == user


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process asks for large pages")
def test_processes_of_the_folds_ask_for_large_pages() -> None:
    """In a Python of its own, since the server that such processes are forked from starts but once."""
    told = subprocess.run(
        [sys.executable, "-c", TUNABLES_OF_A_PROCESS], capture_output=True, text=True, check=True, timeout=300
    )
    assert "glibc.malloc.hugetlb=1" in told.stdout
