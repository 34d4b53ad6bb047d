"""MLflow's tracking server, started so that it answers by the names that other machines know it by."""

import http.client
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from csam_lightning.machine.network import EVERY_ADDRESS
from csam_lightning.tracking_server.child import Child, running


@contextmanager
def mlflow_server_running(
    store: str, artifacts: Path, *, host: str, port: int, names: Sequence[str], workers: int, log: Path
) -> Iterator[Child]:
    """Run a tracking server while the block runs; it answers when the block begins.

    Args:
        store: The database of the runs.
        artifacts: Folder of the artifacts, which clients reach through the server alone.
        host: The address that it listens to.
        port: The port.
        names: What clients may call it; requests for other names are refused, as a page in somebody's browser could
            make them.
        workers: Processes that answer.
        log: File that its output is appended to.

    Raises:
        RunFailedError: It does not start.
    """
    command = [sys.executable, "-m", "mlflow", "server", f"--host={host}", f"--port={port}", f"--workers={workers}"]
    command += ["--serve-artifacts", f"--artifacts-destination={artifacts.as_uri()}"]
    command.append("--allowed-hosts=" + ",".join(f"{name},{name}:{port}" for name in names))
    command.append("--cors-allowed-origins=" + ",".join(f"http://{name}:{port}" for name in names))
    environment = {
        "MLFLOW_BACKEND_STORE_URI": store,  # its password must not stand in the list of processes
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with running("the MLflow server", command, log=log, environment=environment) as child:
        child.wait_until(lambda: _healthy("127.0.0.1" if host == EVERY_ADDRESS else host, port))
        yield child


def _healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
