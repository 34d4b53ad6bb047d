import subprocess
from pathlib import Path

import pytest

import csam_lightning
from csam_lightning.tracking.environment import code_tags, describe_environment


def test_environment_names_python_and_packages_with_versions() -> None:
    lines = describe_environment().splitlines()
    assert lines[0].startswith("python==3.")
    assert any(line.startswith("torch==") for line in lines)


def test_code_tags_name_commit_and_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(csam_lightning, "__file__", str(package / "__init__.py"))
    assert set(code_tags()) == {"code.version"}

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    assert code_tags()["git.commit"] == git("rev-parse", "HEAD")
    assert code_tags()["git.dirty"] == "false"
    (package / "__init__.py").write_text("changed = True")
    assert code_tags()["git.dirty"] == "true"
