"""A folder of small images with a manifest, to break in one way per test."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csam_lightning.data.manifest import Manifest, read_manifest
from csam_lightning.data.problems import Problem

HEADER = "path,label,package_id"


class DataFolder:
    """A data folder below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def image(self, name: str, *, like: str | None = None) -> Path:
        """Write a small image whose pixels follow from the name ``like``, by default its own."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = zlib.crc32((like or name).encode())
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 24), dtype=np.uint8)).save(path)
        return path

    def manifest(self, content: str | bytes, name: str = "manifest.csv") -> None:
        """Write a manifest file."""
        data = content.encode() if isinstance(content, str) else content
        (self.root / name).write_bytes(data)

    def listed(self, *rows: str, header: str = HEADER, images: bool = True) -> None:
        """Write a manifest of comma-separated rows that begin with a path, and an image for each of them."""
        self.manifest("\n".join([header, *rows, ""]))
        for name in [row.split(",")[0] for row in rows] if images else []:
            self.image(name)

    def read(self, **settings: Any) -> tuple[Manifest | None, list[Problem]]:
        defaults = {"classes": None, "package_pattern": None, "need_packages": True}
        return read_manifest(self.root, **{**defaults, **settings})

    def good(self, **settings: Any) -> Manifest:
        """Return the manifest of a folder that must be free of findings."""
        manifest, problems = self.read(**settings)
        assert problems == []
        assert manifest is not None
        return manifest

    def findings(self, **settings: Any) -> list[str]:
        return [str(problem) for problem in self.read(**settings)[1]]


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")
