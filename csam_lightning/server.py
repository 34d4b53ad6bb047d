"""``python -m csam_lightning.server``: an MLflow store for several machines, until Ctrl-C."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from filelock import FileLock, Timeout
from omegaconf import DictConfig

from csam_lightning.cli import run, typed
from csam_lightning.errors import InputError
from csam_lightning.machine.network import LOOPBACK, check_free, known_names
from csam_lightning.tracking_server.child import Child
from csam_lightning.tracking_server.mlflow_server import mlflow_server_running
from csam_lightning.tracking_server.postgresql import answering_database, cluster_running

MAX_PORT = 65535
MAX_WORKERS = 64


@dataclass(frozen=True)
class ServerConfig:
    """``conf/server.yaml``: what is kept where, and who may reach it."""

    store: str | None
    folder: str
    artifacts: str | None
    host: str
    port: int
    names: list[str]
    workers: int


def main(config: DictConfig) -> None:
    """Serve until Ctrl-C; print what a user types next, on stdout.

    Raises:
        InputError: A setting makes no sense, PostgreSQL is missing or does not answer, or the port is taken.
        RunFailedError: PostgreSQL or MLflow does not start, or ended.
    """
    settings = typed(config, ServerConfig)
    _check_range("workers", settings.workers, 1, MAX_WORKERS)
    _check_range("port", settings.port, 1, MAX_PORT)
    folder = Path(settings.folder).expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "server.lock", blocking=False):
            serve(settings, folder)
    except Timeout as error:
        mend = "use that one, or name another folder: folder=DIR"
        raise InputError("another server is running on it", where=str(folder), mend=mend) from error
    except KeyboardInterrupt:
        _say("stopped: what the server has is kept, and there again at its next start")


def serve(settings: ServerConfig, folder: Path) -> NoReturn:
    """Run PostgreSQL, where no database is named, and MLflow; whichever way it ends, end both."""
    artifacts = Path(settings.artifacts).expanduser().absolute() if settings.artifacts else folder / "artifacts"
    check_free(settings.host, settings.port)
    names = known_names(settings.host, settings.names)
    with ExitStack() as open_:
        children = []
        if settings.store is None:
            store, child = open_.enter_context(cluster_running(folder / "postgresql"))
            children.append(child)
        else:
            store = answering_database(settings.store)
        _say("starting the server: about 20 s")
        server = mlflow_server_running(
            store,
            artifacts,
            host=settings.host,
            port=settings.port,
            names=names,
            workers=settings.workers,
            log=folder / "mlflow.log",
        )
        children.append(open_.enter_context(server))
        _tell(settings, folder, artifacts, names)
        _watch(children)


def _check_range(setting: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        mend = f"give a whole number from {least} to {most}"
        raise InputError(f"{value} makes no sense here", where=setting, mend=mend)


def _tell(settings: ServerConfig, folder: Path, artifacts: Path, names: Sequence[str]) -> None:
    _say(f"runs       {'the database that you named' if settings.store else folder / 'postgresql'}")
    _say(f"artifacts  {artifacts}")
    if settings.host not in LOOPBACK:
        _say("access     no password is asked: whoever reaches this port can read, change and delete runs")
    _say("Ctrl-C stops the server. Where you train, type next:")
    _say(f"export MLFLOW_TRACKING_URI=http://{names[0]}:{settings.port}")


def _watch(children: Sequence[Child]) -> NoReturn:
    while True:
        for child in children:
            child.check()
        time.sleep(1)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run(main, "server")
