import pytest

from csam_lightning.errors import InputError
from csam_lightning.training.devices import check_accelerator


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_a_processor_is_always_there(name: str) -> None:
    check_accelerator(name)


def test_what_this_machine_lacks_is_bad_input() -> None:
    with pytest.raises(
        InputError, match=r"^trainer.accelerator=abacus: .*; give auto, cpu, or the kind of accelerator"
    ):
        check_accelerator("abacus")
