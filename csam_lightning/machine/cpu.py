"""What this machine's processor can do, asked without PyTorch, whose import takes seconds."""

from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
BF16_WITH_ANY_OF = frozenset({"avx512bw", "avx_ne_convert"})
"""Instructions of x86 without which PyTorch 2.15 multiplies bf16 numbers one by one."""


def lacks_bf16() -> bool:
    """Return whether bf16 is known to be slow here; only Linux on x86 tells."""
    flags = _told().get("flags", "").split()
    return bool(flags) and BF16_WITH_ANY_OF.isdisjoint(flags)


def _told() -> dict[str, str]:
    """Return what Linux tells of the first processor; nothing elsewhere."""
    try:
        first, *_ = CPU_INFO.read_text(encoding="utf-8", errors="replace").split("\n\n")
    except OSError:
        return {}
    lines = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}
