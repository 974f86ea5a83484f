"""The numbers of a fitted model of anomalib, out and in again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harness import UnavailableError


def arrays_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Every parameter and buffer, also those that its class does not count among what it saves."""
    found = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: np.ascontiguousarray(tensor.detach().cpu().numpy()) for name, tensor in found.items()}


def fill(module: nn.Module, state: Mapping[str, NDArray[Any]]) -> None:
    """Set them; buffers that fitting brings have no shape before. Raises UnavailableError for what has no place."""
    parameters = dict(module.named_parameters())
    for name, array in state.items():
        values = torch.from_numpy(np.array(array))
        if name in parameters:
            parameters[name].data = values
            continue
        owner, _, last = name.rpartition(".")
        try:
            place = module.get_submodule(owner)
        except AttributeError:
            raise UnavailableError(f"what anomalib learned at {name!r} has no place in a new model") from None
        place.register_buffer(last, values)
