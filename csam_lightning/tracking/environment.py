"""Where a run took place: packages, machine and the state of the code."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import csam_lightning


@cache
def describe_environment() -> str:
    """Return Python, platform and every installed package with its version, one a line.

    To ask every package takes a tenth of a second, which the later cells of a sweep do without.
    """
    packages = sorted({f"{found.metadata['Name']}=={found.version}" for found in distributions()}, key=str.lower)
    return "\n".join([f"python=={platform.python_version()}", f"platform=={platform.platform()}", *packages]) + "\n"


def code_tags() -> dict[str, str]:
    """Return the package's version and, in a git checkout, its commit and whether files differ from it."""
    folder = Path(csam_lightning.__file__).parent
    try:
        tags = {"code.version": version("csam-lightning")}
    except PackageNotFoundError:  # run from a folder, not installed
        tags = {}
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return tags
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return tags | {"git.commit": commit, "git.dirty": str(bool(changes)).lower()}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git from the user's PATH
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
