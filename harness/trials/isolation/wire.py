"""Messages between the harness and an isolated process: JSON followed by arrays. Nothing in them is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

MOST_TEXT = 16 << 20
"""The most bytes of JSON in one message."""
MOST_ARRAYS = 4 << 30
"""The most bytes of arrays in one message, unless the receiver knows that fewer suffice."""


class WireError(Exception):
    """What was received is not a message."""


def send(line: Connection, said: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Send one message. Raises OSError if the other side is gone."""
    from safetensors.numpy import save

    line.send_bytes(json.dumps({**said, "arrays": bool(arrays)}).encode())
    if arrays:
        line.send_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def receive(line: Connection, most: int = MOST_ARRAYS) -> tuple[dict[str, Any], Arrays]:
    """Receive one message with at most `most` bytes of arrays.

    Raises EOFError or OSError if the other side is gone, and WireError if what it sent is not a message.
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
