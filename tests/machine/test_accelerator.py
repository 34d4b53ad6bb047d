import pytest
from lightning.pytorch.accelerators import AcceleratorRegistry, CUDAAccelerator

from csam_lightning.errors import InputError
from csam_lightning.machine.accelerator import check_accelerator


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_a_processor_is_always_there(name: str) -> None:
    check_accelerator(name)


def test_processes_on_a_processor_are_as_many_as_asked_for() -> None:
    check_accelerator("cpu", 64)


def test_fewer_devices_than_asked_for_are_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pair(CUDAAccelerator):
        @staticmethod
        def is_available() -> bool:
            return True

        @staticmethod
        def parse_devices(devices: object) -> list[int]:
            return list(range(int(str(devices))))

        @staticmethod
        def auto_device_count() -> int:
            return 2

    monkeypatch.setitem(
        AcceleratorRegistry, "pair", {"accelerator": Pair, "accelerator_name": "pair", "init_params": {}}
    )
    check_accelerator("pair", 2)
    with pytest.raises(
        InputError,
        match=r"^trainer.devices=3: this machine has 2 of the accelerator cuda, not 3; give at most 2, or trainer.acc",
    ):
        check_accelerator("pair", 3)


def test_what_this_machine_lacks_is_bad_input() -> None:
    with pytest.raises(
        InputError, match=r"^trainer.accelerator=abacus: .*; give auto, cpu, or the kind of accelerator"
    ):
        check_accelerator("abacus")
