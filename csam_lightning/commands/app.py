"""What ``python -m csam_lightning.app`` does: serve the inspection page."""

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from omegaconf import DictConfig

from csam_lightning.cli import typed
from csam_lightning.config import Name, TrackingConfig, check_sound
from csam_lightning.data.palette import parse_palette
from csam_lightning.errors import InputError
from csam_lightning.evaluation.conformal import Unit
from csam_lightning.evaluation.model_scores import operating_point, with_sound
from csam_lightning.evaluation.prevalence import for_prevalence
from csam_lightning.inspection_page.corrections import check_folder
from csam_lightning.inspection_page.guards import guard
from csam_lightning.inspection_page.inspector import Inspector
from csam_lightning.inspection_page.session import Sessions
from csam_lightning.inspection_page.uploads import Limits
from csam_lightning.machine.network import LOOPBACK, check_free, known_names
from csam_lightning.predicting.device import Accelerator, device_for
from csam_lightning.predicting.review import ReviewRule, facts_of, limits
from csam_lightning.predicting.sources import FileScans
from csam_lightning.registry.find import load_model

RECONNECT_SECONDS = 30.0  # a browser that was away so long gets its page back as it was
GRACE_SECONDS = 2  # for requests under way at Ctrl-C
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#005a9c"/>'
    '<circle cx="14" cy="14" r="7" fill="none" stroke="#fff" stroke-width="3"/>'
    '<path d="M19 19l7 7" stroke="#fff" stroke-width="3"/></svg>'
)


@dataclass(frozen=True)
class AppConfig:
    """``conf/app.yaml``: which model judges, who may reach the page, and how much it takes."""

    model: Name
    output: Name
    host: str
    port: int
    names: list[str]
    upload_mb: int
    upload_files: int
    package_pattern: str | None
    coverage: float
    strange: float
    kind: bool
    unit: Unit
    prevalence: dict[Name, float] | None
    sound: float | None
    palette: list[str] | None
    gap: int
    batch_size: int
    accelerator: Accelerator
    tracking: TrackingConfig


def serve_app(config: DictConfig) -> None:
    """Serve the inspection page until Ctrl-C.

    Raises:
        InputError: A setting makes no sense, there is no such model, the folder of corrections is in use, the library
            of the page is missing, or the port is taken.
    """
    settings = typed(config, AppConfig)
    _check(settings)
    _check_library()
    corrections = Path(settings.output).expanduser().absolute()
    check_folder(corrections)
    inspector = _inspector(settings)
    with _scratch() as scratch:
        sessions = Sessions(inspector, Limits(settings.upload_mb, settings.upload_files), scratch, corrections)
        app = _application(settings, sessions)
        _say(f"page         http://{_address(settings.host)}:{settings.port}")
        _say(f"corrections  {corrections}")
        if settings.host not in LOOPBACK:
            _say("access       no password is asked: whoever reaches this port can send scans and label them")
        _say("Ctrl-C stops the page")
        try:
            uvicorn.run(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                ws="websockets-sansio",
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        finally:
            sessions.close()
    _say("stopped: corrections are kept, scans that were sent are removed")


def _check(settings: AppConfig) -> None:
    for name, value, least in (
        ("port", settings.port, 1),
        ("upload_mb", settings.upload_mb, 1),
        ("upload_files", settings.upload_files, 1),
        ("gap", settings.gap, 0),
        ("batch_size", settings.batch_size, 1),
    ):
        if value < least:
            raise InputError(f"{value} makes no sense here", where=name, mend=f"give a whole number from {least}")
    check_sound(settings.sound)
    check_free(settings.host, settings.port)


def _check_library() -> None:
    if find_spec("nicegui") is None:
        raise InputError(
            "the page's library is not installed",
            where="nicegui",
            mend="install csam-lightning[app], or run make setup again",
        )


def _inspector(settings: AppConfig) -> Inspector:
    rule = ReviewRule(settings.coverage, settings.strange, settings.kind, settings.unit)
    loaded = load_model(settings.model, uri=settings.tracking.uri)
    return Inspector(
        with_sound(for_prevalence(loaded, settings.prevalence), settings.sound).to(device_for(settings.accelerator)),
        rule,
        package_pattern=FileScans(Path(), [], settings.package_pattern).pattern,
        palette=None if settings.palette is None else parse_palette(settings.palette),
        gap=settings.gap,
        batch_size=settings.batch_size,
    )


def _application(settings: AppConfig, sessions: Sessions) -> FastAPI:
    from nicegui import ui

    from csam_lightning.inspection_page.page import Told, add_page

    ensemble, rule = sessions.inspector.ensemble, sessions.inspector.rule
    facts = [*facts_of(settings.model, ensemble, rule)]
    model = ensemble.facts
    told = Told(model.classes, model.cell_id, operating_point(ensemble), facts, limits(ensemble, rule))
    add_page(sessions, told)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    guard(app, names=known_names(settings.host, settings.names), most_bytes=sessions.limits.bytes)
    ui.run_with(
        app,
        title="Inspection",
        favicon=ICON,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT_SECONDS,
        storage_secret=secrets.token_hex(),
        session_middleware_kwargs={"session_cookie": f"csam_lightning_{settings.port}", "same_site": "strict"},
    )
    return app


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder for what browsers send, which goes with the page."""
    with tempfile.TemporaryDirectory(prefix="csam_lightning-") as folder:
        os.environ["NICEGUI_STORAGE_PATH"] = folder  # read at its import; by default it would be in the working folder
        yield Path(folder)


def _address(host: str) -> str:
    return known_names(host, [])[0]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
