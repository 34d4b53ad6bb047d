"""What every command line shares: Hydra, exit status and one-line errors."""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, NoReturn, TypeVar

import hydra
import yaml
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.home import argument_at_home, at_home

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

MANY = {"-m", "--multirun"}

NOISE = ("object_type=", "reference_type=", "provider=", "Config search path", "See https", "To append")
"""Beginnings of lines in Hydra's messages that say nothing to a user."""

EXTRAS = {"'hydra/launcher/ray": "ray", "'hydra/launcher/submitit": "slurm"}
"""Configurations that Hydra cannot find, by how their names begin, and the extra of this package that brings them."""

SETTINGS_SHOWN = "--cfg job shows all settings and their values"

HELP_COLUMN = 36
"""Width of a setting in a command's help, before its meaning."""

Config = TypeVar("Config")


def run(
    task: Callable[[DictConfig], None],
    config_name: str,
    around: AbstractContextManager[None] | None = None,
    *,
    resumes: bool = False,
) -> NoReturn:
    """Run ``task`` with the configuration that Hydra composes from the command line, and exit.

    Exit status: 0 done, 1 a run failed, 2 bad input or bad configuration (stderr then ends with one line and shows
    no traceback), 130 interrupted.

    Args:
        task: What the command does.
        config_name: Its file in ``conf/``, which is the command's name too.
        around: Entered before and left after the task's runs.
        resumes: Whether the same command goes on where it was interrupted.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being asked to end is Ctrl-C from afar
    sys.argv[1:] = map(argument_at_home, flag_first(sys.argv[1:]))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise its errors to us instead of printing them and exiting 1
    kept: list[Exception] = []
    alone = not MANY & set(sys.argv[1:])
    command = hydra.main(version_base="1.3", config_path="pkg://csam_lightning.conf", config_name=config_name)(
        _keeping(task, kept) if alone else task
    )
    try:
        with around or nullcontext():
            command()
            if kept:
                raise kept[0]
    except InputError as error:
        _leave(str(error), BAD_INPUT)
    except OverrideParseException as error:
        _leave(
            f"configuration: cannot read {error.override}; where a value has special signs, quote it twice: "
            "'SETTING=\"VALUE\"'"
        )
    except (HydraException, OmegaConfBaseException) as error:
        _leave(f"configuration: {one_line(error)}; {_mend(str(error), config_name)}")
    except RunFailedError as error:
        _leave(str(error), FAILED)
    except BrokenPipeError:  # the reader, for example head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except OSError as error:
        if error.filename is None:
            raise
        _leave(f"{error.filename}: {error.strerror}; free space, change its permissions or name another folder")
    except KeyboardInterrupt:
        how = "run the same command again to go on from here" if resumes else "the same command begins anew"
        _leave(f"interrupted: {how}", INTERRUPTED)
    sys.exit(DONE)


def _keeping(task: Callable[[DictConfig], None], kept: list[Exception]) -> Callable[[DictConfig], None]:
    """Return ``task`` with its errors put into ``kept``: of those that it raises Hydra prints a line of its own."""

    @wraps(task)
    def quiet(config: DictConfig) -> None:
        try:
            task(config)
        except Exception as error:  # noqa: BLE001 - raised again outside Hydra
            kept.append(error)

    return quiet


def flag_first(arguments: Sequence[str]) -> list[str]:
    """Return the command line with ``-m`` first: among the settings, Hydra's parser takes no setting after it."""
    flags = [argument for argument in arguments if argument in MANY]
    return [*flags, *(argument for argument in arguments if argument not in flags)]


def typed(config: DictConfig, schema: type[Config]) -> Config:
    """Turn a composed configuration into an instance of the dataclass ``schema``; ``~`` becomes the home folder.

    Raises:
        InputError: A value has the wrong type, a setting is missing, or there is no such setting.
        OmegaConfBaseException: An interpolation cannot be resolved, or a mandatory value is not given.
    """
    values = at_home(OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    adapter = TypeAdapter(schema)
    try:
        made = adapter.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        what = f"{first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}"
        raise InputError(what, where=setting, mend=SETTINGS_SHOWN) from error
    for setting in sorted(_paths(values) - _paths(adapter.dump_python(made))):
        raise InputError("there is no such setting", where=setting, mend=SETTINGS_SHOWN)
    return made


def _paths(values: Any, prefix: str = "") -> set[str]:
    """Return the dotted names of all leaves of nested mappings."""
    if not isinstance(values, Mapping) or not values:
        return {prefix}
    return {
        path for name, value in values.items() for path in _paths(value, f"{prefix}.{name}" if prefix else str(name))
    }


def one_line(error: BaseException) -> str:
    """Return what an error and its causes say, on one line and without what only Hydra's makers want to know."""
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    lines = [line.strip() for cause in causes for line in str(cause).splitlines()]
    told = dict.fromkeys(line for line in lines if line and not line.startswith(NOISE))
    return "; ".join(told)


def _mend(told: str, config_name: str) -> str:
    for name, extra in EXTRAS.items():
        if f"Could not load {name}" in told or f"Could not find {name}" in told:
            return f"it comes with csam-lightning[{extra}], see Launchers in README.md"
    return f"python -m csam_lightning.{config_name} --cfg job lists the settings"


def setting(path: str, *, _root_: DictConfig) -> str:
    """Return a setting and its value as ``path=value`` and spaces, for the help texts in ``conf/``."""
    group, _, name = path.rpartition(".")
    parent = OmegaConf.select(_root_, group) if group else _root_
    value = OmegaConf.select(_root_, path)
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value)
    text = yaml.safe_dump([value], default_flow_style=True, sort_keys=False, width=sys.maxsize).strip()[1:-1]
    if OmegaConf.is_config(parent) and OmegaConf.is_missing(parent, name):
        text = "(required)"
    column = f"{path}={text}".ljust(HELP_COLUMN - 2)
    return f"{column}  ".replace("$", "$$")  # Hydra fills in what stands behind a single one afterwards


OmegaConf.register_new_resolver("setting", setting, replace=True)


def _leave(line: str, status: int = BAD_INPUT) -> NoReturn:
    print(f"error: {line}", file=sys.stderr)  # noqa: T201 - the one line that the user reads
    sys.exit(status)
