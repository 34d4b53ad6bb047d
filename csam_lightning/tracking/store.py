"""The MLflow store: its address, its creation, a client that fails fast."""

import hashlib
import logging
import os
import re
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from csam_lightning.errors import InputError
from csam_lightning.files import written_atomically
from csam_lightning.home import at_home
from csam_lightning.tracking.views import NOTE_TAG, note, saved_views

if TYPE_CHECKING:
    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

SQLITE_FILE = re.compile(r"sqlite(?:\+pysqlite)?:///")
DEFAULT_URI = "sqlite:///mlflow.db"
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

SQLITE_HEADER = b"SQLite format 3\0"
"""How a SQLite file begins (sqlite.org/fileformat2.html, section 1.3)."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""MLflow's own settings, unless the user has set them: an unreachable store must not hold up training for minutes."""


def store_uri(uri: str | None) -> str:
    """Return the address of the store, a relative SQLite file made absolute and a PostgreSQL's driver named.

    In an address of a SQLite file ``~/`` is the home folder. A ``?`` is a sign like any other, unless settings of the
    database follow; ``%3F`` is always one.

    Args:
        uri: As configured; None stands for ``DEFAULT_URI``.

    Raises:
        InputError: MLflow keeps no store at such an address.
    """
    address = uri or DEFAULT_URI
    scheme = urlsplit(address).scheme.partition("+")[0]
    if scheme not in (*SERVERS, *DATABASES):
        raise InputError(
            f"{address!r} is no address of an MLflow store",
            where="tracking.uri",
            mend=f"give a server (http://…) or a database, for example {DEFAULT_URI}",
        )
    file = sqlite_file(address)
    if file is not None:
        return _address_of(file) + _query(address)
    return address.replace("postgresql://", "postgresql+psycopg2://", 1)  # SQLAlchemy's own choice is another driver


def sqlite_file(address: str) -> Path | None:
    """Return the file of a SQLite store; None where the address is another's."""
    found = SQLITE_FILE.match(address)
    if found is None:
        return None
    return Path(at_home(unquote(address[found.end() :].removesuffix(_query(address))))).absolute()


def _query(address: str) -> str:
    """Return the settings at the end of an address, such as ``?timeout=30``; a file's name may hold ``?`` too."""
    found = re.search(r"\?\w+=[^/?&]*(?:&\w+=[^/?&]*)*$", address)
    return found[0] if found else ""


def _address_of(file: Path) -> str:
    """Return the address of a SQLite file; SQLAlchemy reads ``%`` and ``?`` as signs of its own.

    Where there is one, the driver is named: MLflow makes a folder of what follows a mere ``sqlite:///``, escapes and
    all.
    """
    quoted = str(file).replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{quoted}" if quoted == str(file) else f"sqlite+pysqlite:///{quoted}"


def short(text: str) -> str:
    """Return 12 hexadecimal digits that stand for ``text`` in file names."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def without_password(uri: str) -> str:
    """Return ``uri`` without user name and password, fit to be shown and stored."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri


def hide_password(text: str, uri: str) -> str:
    """Return ``text`` without the login of ``uri``, and without its password wherever else it stands.

    A server's login without a colon is a token, and as secret; a database's is a mere name.
    """
    parts = urlsplit(uri)
    login = parts.netloc.rpartition("@")[0]
    if not login:
        return text
    secret = login.partition(":")[2] or (login if parts.scheme in SERVERS else "")
    shown = text.replace(f"{login}@", "")
    return shown.replace(secret, "***") if secret else shown


def open_store(uri: str) -> "MlflowClient":
    """Return a client of the store at ``uri``; a SQLite store is created under a lock, by one process alone."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it logs every try; the last failure is raised
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it logs, it raises as well
    file = sqlite_file(uri)
    with _lock(uri):
        if file is not None and not file.exists():
            with written_atomically(file) as temporary:  # an interruption must not leave half a store behind
                MlflowClient(_address_of(temporary)).search_experiments(max_results=1)
        if file is not None:
            check_sqlite(file)
        if urlsplit(uri).scheme not in SERVERS:
            ask_database(uri)
        return MlflowClient(uri)


def check_sqlite(file: Path) -> None:
    """Check the header of a SQLite file and that its runs can be read.

    Raises:
        InputError: The file is damaged, or holds something else.
    """
    if not _is_sound(file):
        raise InputError(
            f"{file} must be an MLflow store, got a damaged file",
            where="tracking.uri",
            mend="move it away and run the training command again: finished cells are recorded in a new store",
        )


def _is_sound(file: Path) -> bool:
    """Return whether the runs of a store can be read; also where it is locked, or may not be opened, as MLflow says."""
    import sqlite3

    with file.open("rb") as content:
        if content.read(len(SQLITE_HEADER)) != SQLITE_HEADER:
            return False
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM runs LEFT JOIN experiments USING (experiment_id)").fetchone()
    except sqlite3.OperationalError as error:
        return "no such" not in str(error)  # a table or a column
    except sqlite3.DatabaseError:
        return False
    return True


def ask_database(uri: str) -> None:
    """Raise at once where a database does not answer; MLflow would try again for minutes."""
    from sqlalchemy import create_engine

    patience = {"connect_timeout": 5} if uri.startswith(("postgresql", "mysql")) else {}
    engine = create_engine(uri, connect_args=patience)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """Return the id of the experiment ``name``, which is created where it does not exist and restored where deleted.

    Beside a SQLite store, artifacts go to the folder ``mlartifacts``.
    """
    with _lock(uri):
        experiment = client.get_experiment_by_name(name) or _create_experiment(client, uri, name)
    if experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _create_experiment(client: "MlflowClient", uri: str, name: str) -> "Experiment":
    from mlflow.exceptions import MlflowException

    file = sqlite_file(uri)
    location = None if file is None else (file.parent / "mlartifacts").as_uri()
    try:
        made = client.create_experiment(name, artifact_location=location, tags=saved_views())
        client.set_experiment_tag(made, NOTE_TAG, note(made))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another machine was faster
            raise
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        raise RuntimeError(f"the store lost experiment {name!r} as soon as it was created")
    return experiment


def _lock(uri: str) -> AbstractContextManager[object]:
    """Keep the processes that share a SQLite store apart; servers do that themselves."""
    file = sqlite_file(uri)
    if file is None:
        return nullcontext()
    file.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{file}.lock")
