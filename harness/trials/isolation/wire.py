"""What passes between the harness and a process of strangers: JSON, then arrays. Nothing in it can be executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

MOST_TEXT = 16 << 20
"""Bytes of JSON in one message."""
MOST_ARRAYS = 4 << 30
"""Bytes of arrays in one message, where less is not known to be enough."""


class WireError(Exception):
    """What came is no message."""


def send(line: Connection, said: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Send one message. Raises OSError where nobody is there."""
    from safetensors.numpy import save

    line.send_bytes(json.dumps({**said, "arrays": bool(arrays)}).encode())
    if arrays:
        line.send_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def receive(line: Connection, most: int = MOST_ARRAYS) -> tuple[dict[str, Any], Arrays]:
    """One message, with at most so many bytes of arrays.

    Raises EOFError or OSError where nobody is there, and WireError for what is no message.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        said = json.loads(line.recv_bytes(MOST_TEXT))
        if not isinstance(said, dict):
            raise WireError(f"it said {said!r:.60}, expected values by name")
        return said, load(line.recv_bytes(most)) if said.pop("arrays", False) else {}
    except (ValueError, RecursionError, SafetensorError) as error:
        raise WireError(f"it said what is no message: {error!s:.200}") from error
