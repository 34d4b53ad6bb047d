"""What the command refuses before it serves anything."""

import socket
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from csam_lightning.commands.app import serve_app
from csam_lightning.errors import InputError


def test_bad_settings_are_told(model_file: Path, tmp_path: Path) -> None:
    def told(*settings: str) -> str:
        with initialize_config_module("csam_lightning.conf", version_base="1.3"):
            config = compose("app", [f"model={model_file}", f"output={tmp_path}", *settings])
        with pytest.raises(InputError) as caught:
            serve_app(config)
        return str(caught.value)

    assert told("upload_mb=0") == "upload_mb: 0 makes no sense here; give a whole number from 1"
    assert told("sound=-1") == (
        "sound: must be at least 0 and below 1, got -1; give a probability from 0 and below 1, for example 0.5"
    )
    assert told("upload_files=many").startswith("upload_files: input should be a valid integer")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert told(f"port={port}").startswith(f"127.0.0.1:{port}: the server cannot listen there")
    (tmp_path / "manifest.csv").write_text("path,label\n")
    assert told(f"port={port}").startswith(f"output {tmp_path}: holds a data set of its own; name another folder")
    (tmp_path / "manifest.csv").unlink()
    assert told(f"port={port}", 'package_pattern="["').startswith("package_pattern: '[' is no regular expression")
