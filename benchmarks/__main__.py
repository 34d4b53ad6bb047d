"""``python -m benchmarks NAME``: measure, print, and keep the figures in ``benchmarks/results/``."""

import argparse
import ast
import signal
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.observer import CommandFailedError
from benchmarks.options import check_cache_dir
from csam_lightning.cli import INTERRUPTED
from csam_lightning.errors import InputError

BENCHMARKS = ("training", "gpu", "layouts", "startup", "images", "cells", "predict", "scores", "choice")
"""Modules of this package; only the one that is asked for is loaded, since most of them load PyTorch."""


def main() -> None:
    """Run the benchmark that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0].replace("``", ""))
    names = parser.add_subparsers(dest="name", required=True)
    for name in BENCHMARKS:
        about = _about(name)
        benchmark = names.add_parser(name, help=about, description=about)
        if name in sys.argv[1:2]:
            import_module(f"benchmarks.{name}").add_arguments(benchmark)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being asked to end is Ctrl-C from afar
    try:
        if "cache_dir" in options:
            check_cache_dir(options.cache_dir)
        import_module(f"benchmarks.{options.name}").main(options)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    except CommandFailedError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, "interrupted: the same command begins anew\n")


def _about(name: str) -> str:
    """Return the first line of a module's docstring without loading the module."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return str(ast.get_docstring(ast.parse(source))).splitlines()[0]


if __name__ == "__main__":
    main()
