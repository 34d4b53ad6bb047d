"""Addresses, names and ports of this machine."""

import socket
from collections.abc import Sequence

from csam_lightning.errors import InputError

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - the name of what a user may ask for, not what we ask for
LOOPBACK = ("127.0.0.1", "localhost")


def known_names(host: str, further: Sequence[str]) -> list[str]:
    """Return the names by which clients reach a server that listens to ``host``, the one to recommend first."""
    if host in LOOPBACK:
        names = [host, *LOOPBACK]
    else:
        own = [socket.gethostname(), socket.getfqdn()]
        names = [*own, *LOOPBACK] if host == EVERY_ADDRESS else [host, *own]
    return list(dict.fromkeys([*further, *names]))


def check_free(host: str, port: int) -> None:
    """Check that a server can listen to ``host`` and ``port``.

    Raises:
        InputError: ``host`` is not this machine's, or the port is taken.
    """
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise InputError(
            f"the server cannot listen there: {str(error.strerror).partition(' (')[0]}",
            where=f"{host}:{port}",
            mend="end what listens there, or give another port=NUMBER or host=ADDRESS",
        ) from error
