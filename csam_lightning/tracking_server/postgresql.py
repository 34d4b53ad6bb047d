"""A PostgreSQL of our own: a cluster in a folder, reached through a socket that nobody else can open."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from csam_lightning.errors import InputError
from csam_lightning.files import folder_written_atomically
from csam_lightning.tracking.store import ask_database, hide_password, without_password
from csam_lightning.tracking_server.child import Child, running

DRIVER = "postgresql+psycopg2"
"""Named, since what SQLAlchemy takes for a mere ``postgresql`` differs from version to version."""

DEBIAN = Path("/usr/lib/postgresql")
USER_FOR_ROOT = "postgres"
"""Debian's package makes this user; PostgreSQL refuses to run as root."""

INSTALL = "install it (on Debian: apt-get install postgresql), or name a database: store=postgresql://USER@HOST/NAME"


@contextmanager
def cluster_running(folder: Path) -> Iterator[tuple[str, Child]]:
    """Run the cluster in ``folder`` while the block runs; yield its address and its process.

    It listens to no network, and its socket lies in a folder that only the user who runs it, and root, can enter; so it
    needs no password.

    Args:
        folder: Where it is kept; it is created where it does not exist. ``<folder>.log`` is what PostgreSQL says.

    Raises:
        InputError: PostgreSQL is not installed, or the cluster cannot be created.
        RunFailedError: PostgreSQL does not start.
    """
    user = USER_FOR_ROOT if os.geteuid() == 0 else None
    programs = find_programs(folder)
    if not folder.is_dir():
        _create(folder, programs, user)
    with tempfile.TemporaryDirectory(prefix="csam-") as sockets:
        _give(Path(sockets), user)
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}"]
        command: list[str | Path] = [programs / "postgres", "-D", folder / "data", *settings]
        log = folder.with_name(f"{folder.name}.log")
        with running("PostgreSQL", command, log=log, end=signal.SIGINT, user=user) as child:
            address = f"{DRIVER}://mlflow@/postgres?host={quote(sockets)}"
            child.wait_until(lambda: _why_not(address) is None)
            yield address, child


def find_programs(folder: Path, debian: Path = DEBIAN) -> Path:
    """Return the folder of PostgreSQL's programs: those that made the cluster in ``folder``, else the newest.

    Args:
        folder: The cluster, which need not exist.
        debian: Where Debian puts each version's programs: ``<debian>/<version>/bin``.

    Raises:
        InputError: They are not installed.
    """
    made_with = folder / "data" / "PG_VERSION"
    version = made_with.read_text().strip() if made_with.is_file() else None
    found = sorted(debian.glob(f"{version or '*'}/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    if elsewhere is None:
        raise InputError(f"there is no PostgreSQL {version or ''}".rstrip() + " here", where="store", mend=INSTALL)
    return Path(elsewhere).resolve().parent


def _create(folder: Path, programs: Path, user: str | None) -> None:
    options = ["--username=mlflow", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-locale"]
    with folder_written_atomically(folder) as temporary:
        data = temporary / "data"
        data.mkdir(mode=0o700)
        temporary.chmod(0o755)
        _give(data, user)
        made = subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [programs / "initdb", f"--pgdata={data}", *options],
            cwd="/",
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            mend = "name another folder: folder=DIR"
            if user is not None:
                mend += f"; for root PostgreSQL runs as the user {user}, who must be able to enter it"
            raise InputError(_one_line(made.stderr), where=str(folder), mend=mend)


def _give(folder: Path, user: str | None) -> None:
    """Make ``folder`` the user's.

    Raises:
        InputError: There is no such user.
    """
    if user is None:
        return
    try:
        shutil.chown(folder, user, user)
    except LookupError as error:
        raise InputError(
            f"root cannot run PostgreSQL, and there is no user {user}", where="store", mend=INSTALL
        ) from error


def answering_database(address: str) -> str:
    """Return ``address``, with a driver, if it is that of a PostgreSQL database that answers.

    Raises:
        InputError: It is not.
    """
    scheme, _, place = address.partition("://")
    if scheme.partition("+")[0] != "postgresql":
        raise InputError(
            f"{without_password(address)!r} is no address of a PostgreSQL database",
            where="store",
            mend="give postgresql://USER@HOST/NAME, or null for a PostgreSQL of its own",
        )
    full = f"{DRIVER}://{place}" if scheme == "postgresql" else address
    why_not = _why_not(full)
    if why_not is not None:
        mend = "mend the address; a password is best given by PGPASSWORD or ~/.pgpass"
        raise InputError(f"{without_password(address)} does not answer: {why_not}", where="store", mend=mend)
    return full


def _why_not(address: str) -> str | None:
    """Return why the database does not answer; None where it does.

    Raises:
        InputError: What speaks to PostgreSQL is not installed.
    """
    from sqlalchemy.exc import OperationalError

    try:
        ask_database(address)
    except OperationalError as error:
        return hide_password(_one_line(str(error.orig)), address)
    except ModuleNotFoundError as error:
        mend = "pip install 'csam-lightning[server]'"
        raise InputError(f"there is no Python package {error.name} here", where="store", mend=mend) from error
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())
