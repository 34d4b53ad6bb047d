from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from csam_lightning.cells import composed
from csam_lightning.machine import cpu

if TYPE_CHECKING:
    from csam_lightning.config import TrainerConfig

WITHOUT = "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 fma\n"
WITH = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512bw avx512_bf16\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(WITHOUT, True), (WITH, False), ("flags : avx2 avx_ne_convert\n", False), ("Features : asimd bf16\n", False)],
)
def test_bf16_is_slow_where_an_x86_processor_lacks_its_instructions(
    text: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "CPU_INFO", tmp_path / "cpuinfo")
    assert not cpu.lacks_bf16()  # no such file: another system
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu.lacks_bf16() == expected


def warned(caplog: pytest.LogCaptureFixture, **settings: str) -> list[str]:
    """Return what a user is told of a training with these settings."""
    trainer = SimpleNamespace(**{"accelerator": "auto", "precision": "bf16-mixed", **settings})
    caplog.clear()
    composed._warn_of_slow_bf16(cast("TrainerConfig", trainer))
    return caplog.messages


def test_user_is_told_that_bf16_will_be_slow(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    told = partial(warned, caplog)
    monkeypatch.setattr(composed, "free_gpu_memory", list)
    monkeypatch.setattr(composed, "lacks_bf16", lambda: True)
    for accelerator in ("cpu", "auto"):
        [message] = told(accelerator=accelerator)
        assert "many times as long as with trainer.precision=32-true" in message
    assert not told(precision="32-true")
    assert not told(accelerator="gpu")
    monkeypatch.setattr(composed, "free_gpu_memory", lambda: pytest.fail("nothing depends on it, and it takes time"))
    assert not told(precision="32-true")
    monkeypatch.setattr(composed, "free_gpu_memory", lambda: [10**9])
    assert not told()
    assert told(accelerator="cpu")
    monkeypatch.setattr(composed, "lacks_bf16", lambda: False)
    assert not told(accelerator="cpu")
