"""What this machine's processor can do, asked without PyTorch, whose import takes seconds."""

from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
BF16_WITH_ANY_OF = frozenset({"avx512bw", "avx_ne_convert"})
"""Instructions of x86 without which PyTorch 2.15 multiplies bf16 numbers one by one."""


def lacks_bf16() -> bool:
    """Return whether bf16 is known to be slow here; only Linux on x86 tells."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
    return bool(flags) and not flags & BF16_WITH_ANY_OF
