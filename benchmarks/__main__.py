"""``python -m benchmarks NAME``: measure, print, and keep the figures in ``benchmarks/results/``."""

import argparse
import signal
import sys

from benchmarks import cells, gpu, images, layouts, predict, scores, startup, training
from benchmarks.observer import CommandFailedError
from csam_lightning.cli import INTERRUPTED
from csam_lightning.errors import InputError

BENCHMARKS = {
    "training": training,
    "gpu": gpu,
    "layouts": layouts,
    "startup": startup,
    "images": images,
    "cells": cells,
    "predict": predict,
    "scores": scores,
}


def main() -> None:
    """Run the benchmark that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0].replace("``", ""))
    names = parser.add_subparsers(dest="name", required=True)
    for name, module in BENCHMARKS.items():
        about = str(module.__doc__).splitlines()[0]
        module.add_arguments(names.add_parser(name, help=about, description=about))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being asked to end is Ctrl-C from afar
    try:
        BENCHMARKS[options.name].main(options)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")
    except CommandFailedError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        parser.exit(INTERRUPTED, "interrupted: the same command begins anew\n")


if __name__ == "__main__":
    main()
