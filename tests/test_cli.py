import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from csam_lightning.cli import flag_first, typed
from csam_lightning.errors import InputError

Command = Callable[..., subprocess.CompletedProcess[str]]

SCRIPT = """
from csam_lightning.cli import run
from csam_lightning.errors import InputError, RunFailedError
def task(config):
    {body}
run(task, "check")
"""


@pytest.mark.parametrize(
    ("body", "status", "last"),
    [
        ("pass", 0, None),
        ("raise InputError('is odd', where='row 3', mend='even it')", 2, "error: row 3: is odd; even it"),
        ("raise RunFailedError('fold 1: out of memory')", 1, "error: fold 1: out of memory"),
        ("raise KeyboardInterrupt", 130, "error: interrupted: the same command begins anew"),
        ("raise ValueError('a bug')", 1, "ValueError: a bug"),
    ],
)
def test_exit_status_and_last_line(body: str, status: int, last: str | None) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body), "data.root=."],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status
    lines = done.stderr.splitlines()
    assert (lines[-1] if lines else None) == last
    assert ("Traceback" in done.stderr) == ("ValueError" in body)


@dataclass(frozen=True)
class Inner:
    number: int


@dataclass(frozen=True)
class Outer:
    inner: Inner
    text: str | None


def test_configuration_becomes_its_dataclass() -> None:
    assert typed(OmegaConf.create({"inner": {"number": 3}, "text": None}), Outer) == Outer(Inner(3), None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner": {"number": "x"}, "text": None}, "inner.number: input should be a valid integer"),
        ({"inner": {"number": 1}, "text": [1]}, "text: input should be a valid string, not [1]"),
        ({"inner": {}, "text": None}, "inner.number: field required"),
    ],
)
def test_configuration_of_the_wrong_type_is_an_error(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        typed(OmegaConf.create(values), Outer)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_flag_of_a_sweep_may_stand_anywhere(flag: str) -> None:
    assert flag_first(["a=1,2", flag, "b=3", "--cfg", "job"]) == [flag, "a=1,2", "b=3", "--cfg", "job"]
    assert flag_first(["a=1"]) == ["a=1"]


def test_launcher_that_is_not_installed_names_what_brings_it(
    command: Command,
) -> None:
    done = command("train", "hydra/launcher=ray_local", "-m", "seed=0,1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: configuration: In 'hydra/launcher/ray_local': Could not load 'hydra/launcher/ray'.; "
        "it comes with csam-lightning[ray], see Launchers in README.md"
    )
