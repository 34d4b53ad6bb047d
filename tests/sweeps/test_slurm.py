"""A sweep on a real Slurm of one node, one of its jobs preempted; skipped where Debian's slurm-wlm is not installed."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(shutil.which("slurmctld") is None, reason="Debian's packages slurm-wlm and munge are missing"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can start a Slurm"),
]

CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
SlurmdPort={port_of_node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.5)
    return False


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a Slurm of one node; yield a function that runs its commands."""
    folder, host = tmp_path / "slurm", socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, folder=folder, port=free_port(), port_of_node=free_port()))
    if subprocess.run(["pgrep", "munged"], capture_output=True, check=False).returncode:
        subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "0755", "/run/munge"], check=True)
        subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "munged --force"], check=True, capture_output=True)
    environment = {**os.environ, "SLURM_CONF": str(conf)}

    def ask(*command: str) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.stdout

    daemons = [
        subprocess.Popen(["slurmctld", "-D", "-f", conf], env=environment, stderr=subprocess.DEVNULL),
        subprocess.Popen(["slurmd", "-D", "-f", conf, "-N", host], env=environment, stderr=subprocess.DEVNULL),
    ]
    try:
        assert until(lambda: "idle" in ask("sinfo", "-h", "-o", "%t"), seconds=60)
        yield ask
    finally:
        ask("scancel", "--user=root")
        until(lambda: not ask("squeue", "-h"), seconds=30)
        for daemon in daemons:
            daemon.terminate()
            daemon.wait(timeout=30)


def test_sweep_on_slurm_finishes_though_a_job_is_preempted(
    slurm: Callable[..., str], scans_folder: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    small = ["data.image_size=32", "data.num_folds=3", "trainer.max_epochs=8", "folds=[0]", "seed=0,1"]
    queue = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=debug", "hydra.launcher.cpus_per_task=1"]
    arguments = ["data=folder", f"data.root={scans_folder}", f"cache_dir={tmp_path}/cache", *small, "-m", *queue]
    with subprocess.Popen(
        [sys.executable, "-m", "csam_lightning.train", *arguments, "hydra.launcher.mem_gb=null"],
        cwd=work,
        env={**os.environ, "MLFLOW_TRACKING_URI": "", "SLURM_CONF": str(tmp_path / "slurm" / "slurm.conf")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as sweep:
        until(lambda: sweep.poll() is not None or list(work.glob("outputs/cells/*/fold_0/history.json")), seconds=600)
        running = slurm("squeue", "-h", "-t", "R", "-o", "%A").split()
        slurm("scancel", "--signal=USR2", *running[:1])
        said, _ = sweep.communicate(timeout=600)
    assert sweep.returncode == 0, said
    assert "2 cells, 2 trainings (folds), of which 0 are there already" in said
    logs = "".join(file.read_text() for file in work.glob("outputs/sweeps/*/.submitit/*/*.err"))
    assert "this job is preempted" in logs
    for epoch in (1, 8):
        assert logs.count(f"fold 0 epoch {epoch}/8") == 2  # once for each cell: nothing was trained anew
    client = MlflowClient(f"sqlite:///{work}/mlflow.db")
    experiment = client.get_experiment_by_name("csam_lightning")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in found] == ["FINISHED"] * 5
