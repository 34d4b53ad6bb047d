"""``~`` in settings: the home folder, wherever a setting comes from."""

import os
import re
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

ARGUMENT = re.compile(r"""(?<=[=,])(\s*["']?(?:sqlite[+\w]*:///)?)~(?=[/"',]|$)""")


def at_home(value: Any) -> Any:
    """Return a setting's value, or nested ones, with ``~`` at the beginning of a path as the home folder."""
    if isinstance(value, dict):
        return {name: at_home(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [at_home(inner) for inner in value]
    if isinstance(value, str) and (value == "~" or value.startswith("~/")):
        return os.path.expanduser(value)  # noqa: PTH111 -- keeps the path as it was written
    return value


def argument_at_home(argument: str) -> str:
    """Return an argument of a command line, ``SETTING=PATH`` or ``SETTING=PATH,PATH``, ``~`` being the home folder."""
    return ARGUMENT.sub(lambda found: found[1] + at_home("~"), argument)


class HomeFolder(Callback):
    """Hydra's hook before a run or a multirun, which makes its own folder before any other code of ours runs."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Let ``~`` be the home folder in ``hydra.run.dir``."""
        _move(config, "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Let ``~`` be the home folder in ``hydra.sweep.dir``; each job composes that anew from the overrides."""
        folder = _move(config, "hydra.sweep.dir")
        if folder is not None:
            text = folder.replace("\\", r"\\").replace('"', r"\"")
            with read_write(config), open_dict(config):
                config.hydra.overrides.hydra.append(f'hydra.sweep.dir="{text}"')


def _move(config: DictConfig, setting: str) -> str | None:
    """Return the folder that ``setting`` now names, or None where it stays as it was."""
    before = str(OmegaConf.select(config, setting))
    folder = str(at_home(before))
    if folder == before:
        return None
    with read_write(config), open_dict(config):
        OmegaConf.update(config, setting, folder)
    return folder
