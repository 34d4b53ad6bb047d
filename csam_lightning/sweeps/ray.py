"""What a sweep on Ray needs beside Hydra's launcher for it; free of Ray itself."""

import os
import signal

from omegaconf import DictConfig, OmegaConf

from csam_lightning.machine.processes import usable_cores

OmegaConf.register_new_resolver("usable_cores", usable_cores, replace=True)  # for conf/hydra/launcher/ray_local.yaml

LAUNCHED_IN = "CSAM_LIGHTNING_LAUNCHED_IN"

_SETTINGS = {
    "RAY_DEDUP_LOGS": "0",  # lines of different cells are alike, and none may be left out
    "RAY_USAGE_STATS_ENABLED": "0",
}
_SETTINGS_OF_A_LOCAL_RAY = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: no port is open to other machines, on any system
    "RAY_AUTH_MODE": "token",  # Ray's default, which it would warn of
}


def prepare_ray(launcher: DictConfig) -> None:
    """Set what Ray reads from the environment when it is first imported; what the user has set stays.

    Args:
        launcher: Hydra's launcher; where it is not Ray's, nothing is set.
    """
    if "ray" not in launcher:
        return
    settings = _SETTINGS | (_SETTINGS_OF_A_LOCAL_RAY if launcher.ray.init.address == "local" else {})
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def enter_launching_folder() -> None:
    """Go where the sweep was launched, so that its relative paths hold; Ray calls this first thing in its processes."""
    os.chdir(os.environ[LAUNCHED_IN])


def heed_termination() -> None:
    """Give this process the time that it needs to end; Ray would abort it three seconds after it was asked to."""
    if hasattr(signal, "alarm"):
        signal.alarm(0)
