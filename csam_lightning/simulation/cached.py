"""The simulated data set in the cache, made on first use."""

import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from csam_lightning.simulation.checks import check_config
from csam_lightning.simulation.config import SimulationConfig
from csam_lightning.simulation.disk import refusals_told
from csam_lightning.state import peek_state, read_json, write_json

SIMULATOR_VERSION = 1
"""Part of a cached data set's name: raise it whenever the same config gives other images, labels or files."""
CHECKSUMS = ".checksums.json"
"""What a cached data set's files are compared with at each use."""

logger = logging.getLogger(__name__)


def cached_dataset(config: SimulationConfig, cache_dir: Path, *, processes: int | None = None) -> Path:
    """Return the folder of this config's data set below ``cache_dir``; it is made on first use.

    Where several processes ask for it at the same time, one makes it and the others wait. What a killed process left
    of it is removed before it is made again, and so is a data set of which a file was lost or changed.

    Raises:
        InputError: As :func:`csam_lightning.simulation.dataset.write_dataset`.
    """
    root = cache_dir / f"simulated-{config_hash(config)}"
    check_config(config)
    with refusals_told(f"cache_dir {cache_dir}", "cache_dir"):
        if _whole(root):
            return root
        from csam_lightning.simulation.dataset import make_dataset  # takes a fifth of a second

        cache_dir.mkdir(parents=True, exist_ok=True)
        with _locked(root):
            if not _whole(root):
                if root.exists():
                    logger.warning("%s is damaged, or of an older version: it is simulated again", root)
                    root.rename(root.with_name(f".{root.name}-damaged"))
                for stale in cache_dir.glob(f".{root.name}-*"):
                    shutil.rmtree(stale, ignore_errors=True)
                make_dataset(config, root, processes=processes)
                write_json(root / CHECKSUMS, _checksums(root))
    return root


def _whole(root: Path) -> bool:
    """Return whether all files of a cached data set are there, as they were written."""
    known = peek_state(root / CHECKSUMS, read_json)
    return known is not None and known == _checksums(root)


def _checksums(root: Path) -> dict[str, int]:
    """Return the CRC-32 of each file of a data set, by its path below ``root``."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != CHECKSUMS]
    return {path.relative_to(root).as_posix(): zlib.crc32(path.read_bytes()) for path in files}


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    lock = FileLock(f"{root}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another process simulates %s: waiting for it", root)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def config_hash(config: SimulationConfig) -> str:
    """Return 12 hexadecimal digits that tell configs, and versions of the simulator, apart."""
    text = json.dumps([SIMULATOR_VERSION, asdict(config)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
