"""The command line, driven as a user drives it: what it refuses before it serves anything."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_bad_settings_are_told_in_a_line(command: Command, model_file: Path, work_folder: Path) -> None:
    def told(*settings: str) -> str:
        done = command("app", f"model={model_file}", *settings)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr

    assert told("upload_mb=0") == "error: upload_mb: 0 makes no sense here; give a whole number from 1\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"error: 127.0.0.1:{port}: the server cannot listen there" in told(f"port={port}")
    (work_folder / "manifest.csv").write_text("path,label\n")
    assert "holds a data set of its own; name another folder" in told("output=.", f"port={port}")
