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


@pytest.mark.parametrize("name", ["train", "check", "simulate"])
def test_help_fits_a_screen_and_leaves_physical_constants_out(name: str, command: Command) -> None:
    done = command(name, "--help", *(["data=simulated"] if name == "check" else []))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) < 60
    assert "paris_exponent" not in done.stdout
    assert "impedance" not in done.stdout
    assert "--cfg job" in done.stdout
    everything = command(name, "--cfg", "job", *(["data=simulated"] if name == "check" else []))
    assert "paris_exponent: 3.0" in everything.stdout


def test_help_explains_the_settings_that_are_changed_first_with_their_values(command: Command) -> None:
    lines = command("train", "--help", "data.size=420", "output_dir=a$b").stdout.splitlines()
    for name, value in {
        "data.size": "420",
        "data.image_size": "100",
        "data.num_folds": "5",
        "folds": "null",
        "seed": "0",
        "model.arch": "resnet18",
        "trainer.max_epochs": "20",
        "trainer.accelerator": "auto",
        "output_dir": "a$b",
        "force": "false",
    }.items():
        [line] = [line for line in lines if line.startswith(f"{name}=")]
        assert line.split(maxsplit=1)[0] == f"{name}={value}"
        assert len(line.split(maxsplit=1)[1]) > 8
    assert max(map(len, lines)) <= 120


def test_help_shows_what_has_to_be_given(command: Command) -> None:
    assert "output=(required) " in command("simulate", "--help").stdout
    assert "data.root=(required) " in command("check", "--help").stdout
