"""The parts of a tracking server: what can be told without MLflow."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from csam_lightning.errors import InputError, RunFailedError
from csam_lightning.machine.network import check_free, known_names
from csam_lightning.server import main
from csam_lightning.tracking_server.child import running
from csam_lightning.tracking_server.postgresql import answering_database, find_programs

INSTALL = "install it (on Debian: apt-get install postgresql), or name a database: store=postgresql://USER@HOST/NAME"


def installed(root: Path, *versions: str) -> Path:
    """Make what Debian's packages of PostgreSQL leave on a disk."""
    for version in versions:
        programs = root / version / "bin"
        programs.mkdir(parents=True)
        (programs / "initdb").touch()
    return root


def test_newest_postgresql_makes_a_cluster_and_the_one_that_made_it_runs_it(tmp_path: Path) -> None:
    debian, cluster = installed(tmp_path, "9", "15", "17"), tmp_path / "cluster"
    assert find_programs(cluster, debian) == debian / "17" / "bin"
    (cluster / "data").mkdir(parents=True)
    (cluster / "data" / "PG_VERSION").write_text("15\n")
    assert find_programs(cluster, debian) == debian / "15" / "bin"


@pytest.mark.parametrize(("made_with", "named"), [(None, "PostgreSQL"), ("14\n", "PostgreSQL 14")])
def test_postgresql_that_is_not_installed_is_one_line(
    made_with: str | None, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    cluster = tmp_path / "cluster"
    if made_with:
        (cluster / "data").mkdir(parents=True)
        (cluster / "data" / "PG_VERSION").write_text(made_with)
    with pytest.raises(InputError) as caught:
        find_programs(cluster, installed(tmp_path, "15") if made_with else tmp_path)
    assert str(caught.value) == f"store: there is no {named} here; {INSTALL}"


def test_store_that_is_no_postgresql_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        answering_database("mysql://me:secret@db/runs")
    assert str(caught.value) == (
        "store: 'mysql://db/runs' is no address of a PostgreSQL database; "
        "give postgresql://USER@HOST/NAME, or null for a PostgreSQL of its own"
    )


@pytest.mark.skipif(importlib.util.find_spec("psycopg2") is None, reason="the Python package psycopg2 is missing")
def test_store_that_does_not_answer_is_told_without_its_password() -> None:
    with pytest.raises(InputError, match=r"^store: postgresql://127.0.0.1:9/runs does not answer: .*refused") as caught:
        answering_database("postgresql://me:secret@127.0.0.1:9/runs")
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith("; mend the address; a password is best given by PGPASSWORD or ~/.pgpass")


@pytest.mark.parametrize(("setting", "most"), [("port", 65535), ("workers", 64)])
def test_setting_of_a_server_that_makes_no_sense_is_one_line(setting: str, most: int, tmp_path: Path) -> None:
    with initialize_config_module("csam_lightning.conf", version_base="1.3"):
        config = compose("server", [f"folder={tmp_path}/server", f"{setting}=0"])
    with pytest.raises(InputError, match=f"^{setting}: 0 makes no sense here; give a whole number from 1 to {most}$"):
        main(config)
    assert not list(tmp_path.iterdir())


def test_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            check_free("127.0.0.1", port)
    assert str(caught.value) == (
        f"127.0.0.1:{port}: the server cannot listen there: Address already in use; "
        "end what listens there, or give another port=NUMBER or host=ADDRESS"
    )


def test_server_is_recommended_by_the_name_that_reaches_it() -> None:
    own = socket.gethostname()
    assert known_names("127.0.0.1", []) == ["127.0.0.1", "localhost"]
    assert known_names("0.0.0.0", [])[0] == own  # noqa: S104 - nothing listens
    assert known_names("10.1.2.3", [])[:2] == ["10.1.2.3", own]
    assert known_names("10.1.2.3", ["mlflow.lab"])[:2] == ["mlflow.lab", "10.1.2.3"]


def test_program_that_ends_is_told_with_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running("the thing", ["sh", "-c", "echo no such disk; echo; exit 3"], log=log) as child:
        child.process.wait()
        with pytest.raises(RunFailedError) as caught:
            child.wait_until(lambda: False)
    assert str(caught.value) == f"the thing has ended, see {log}: no such disk"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_program_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from csam_lightning.tracking_server.child import running\n"
        "with running('it', ['sleep', '600'], log=Path(sys.argv[1])) as child:\n"
        "    print(child.process.pid, flush=True); child.process.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path / "log"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not running_still(child):
            return
        time.sleep(0.1)
    pytest.fail("the program is still there")


def running_still(process: int) -> bool:
    """Return whether the process is there and not merely waiting to be buried."""
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
