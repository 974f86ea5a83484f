"""One torch module from the pixels of images to decisions, and its export to ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.api import Model, Pool
from harness.deployment.engines import ANOMALOUS, MAP, METADATA, SCORE, first_line
from harness.errors import UnavailableError


class Decision(nn.Module):
    """Scaling, a model's network, pool and limit in one module; it shares the weights of the model, on the CPU."""

    def __init__(self, model: Model, pool: Pool | None, limit: float) -> None:
        """Raises PackingError for a pool without a torch form, UnavailableError for a model without a network."""
        super().__init__()
        if pool is not None and type(pool).tensor is Pool.tensor:
            pool.tensor(torch.empty(0))  # raises its own error now, and not in the middle of an export
        self.network = model.network().eval().requires_grad_(False)
        self.pool, self.limit = pool, limit
        self.outputs = (SCORE, ANOMALOUS) if pool is None else (SCORE, ANOMALOUS, MAP)

    def forward(self, pixels: Tensor, *beside: Tensor) -> tuple[Tensor, ...]:
        """Pixels (N, H, W, 3), uint8, to scores (N,), decisions (N,), True above the limit, and any maps (N, H, W)."""
        found: Tensor = self.network(pixels.permute(0, 3, 1, 2).float() / 255, *beside)
        if self.pool is None:
            return found, found > self.limit
        score = self.pool.tensor(found)
        return score, score > self.limit, found


class Pieces(nn.Module):
    """Scaling and a model's network alone: what is pooled and judged is the whole image, which the graph never sees."""

    def __init__(self, model: Model, has_maps: bool) -> None:
        """Raises UnavailableError for a model without a network."""
        super().__init__()
        self.network = model.network().eval().requires_grad_(False)
        self.outputs = (MAP,) if has_maps else (SCORE,)

    def forward(self, pixels: Tensor, *beside: Tensor) -> tuple[Tensor, ...]:
        """Pixels (N, S, S, 3), uint8, to maps (N, S, S), or to scores (N,) of a model without maps."""
        return (self.network(pixels.permute(0, 3, 1, 2).float() / 255, *beside),)


class TorchGraph:
    """Runs a Decision, or Pieces, in torch, with the inputs and outputs that a packed graph has."""

    def __init__(self, decision: Decision | Pieces) -> None:
        self._decision = decision.to(memory_format=torch.channels_last)

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            found = self._decision(*(torch.from_numpy(np.asarray(array)) for array in inputs.values()))
        return {name: value.numpy() for name, value in zip(self._decision.outputs, found, strict=True)}


def export(decision: Decision | Pieces, example: Mapping[str, NDArray[Any]], metadata: str, file: Path) -> None:
    """Write a graph as an ONNX file, for inputs such as the example. Raises UnavailableError where torch cannot.

    The graph takes any number of images if the example has several, and one image if it has one.
    """
    arguments = tuple(torch.from_numpy(np.array(array)) for array in example.values())
    size = {0: torch.export.Dim.DYNAMIC if len(arguments[0]) > 1 else torch.export.Dim.STATIC}
    shapes: tuple[Any, ...] = (size, (size,) * (len(arguments) - 1)) if len(arguments) > 1 else (size,)
    with _silence():
        try:
            program = torch.onnx.export(
                decision,
                arguments,
                dynamo=True,
                verbose=False,
                input_names=list(example),
                output_names=list(decision.outputs),
                dynamic_shapes=shapes,
            )
        except Exception as error:  # the exporter raises many types, with very long texts
            raise UnavailableError(f"torch cannot export it: {first_line(error.__cause__ or error)}") from error
        assert program is not None
        program.model.metadata_props[METADATA] = metadata
        program.save(file)


@contextmanager
def _silence() -> Iterator[None]:
    """Suppress the warnings and log lines of torch's exporter, which are about its own future; errors still pass."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
