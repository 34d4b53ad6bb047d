"""What an NVIDIA GPU has room for, asked without PyTorch, whose import takes seconds."""

import os
import subprocess

MAYBE_NVIDIA = ("auto", "gpu", "cuda")
"""Lightning's names of accelerators that are NVIDIA GPUs where there are any."""

MEBIBYTE = 2**20
PATIENCE_SECONDS = 20.0


def free_gpu_memory() -> list[int]:
    """Return how many bytes are free on each GPU that this process may use (``CUDA_VISIBLE_DEVICES``).

    Empty where there is none, and where ``nvidia-smi`` cannot tell: it is not there, fails, or takes too long.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = [] if visible is None else _before_first_invalid(visible)
    if visible is not None and not chosen:
        return []
    query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    if chosen:
        query += ["-i", ",".join(chosen)]
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            query, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
        )
        return [int(free) * MEBIBYTE for free in done.stdout.split("\n") if free.strip()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def _before_first_invalid(visible: str) -> list[str]:
    """Return the GPUs that CUDA takes from its variable: those before the first entry that names none."""
    entries = [entry.strip() for entry in visible.split(",")]
    wrong = [place for place, entry in enumerate(entries) if entry in {"", "-1", "NoDevFiles"}]
    return entries[: min(wrong, default=len(entries))]
