"""Findings that were made before on the same images, so that runs look at each category once and not in every run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from harness.api import Finding, Split
from harness.files import write_text

Findings = tuple[Finding, ...]


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder `audits` in $HARNESS_CACHE, else in anomaly-harness of the user's cache. Raises RuntimeError."""
    if environ.get("HARNESS_CACHE"):
        return Path(environ["HARNESS_CACHE"]) / "audits"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anomaly-harness" / "audits"


def kept(split: Split, version: int, make: Callable[[], Findings]) -> Findings:
    """The findings on these images and files by this version of the audit, made where none are kept.

    A cache that cannot be read or written, or that is damaged, costs time and nothing else.
    """
    key = _key(split, version)
    with suppress(OSError, RuntimeError, ValueError, TypeError, KeyError):
        text = (directory() / f"{key}.json").read_text(encoding="utf-8")
        return tuple(Finding(**{**one, "examples": tuple(one["examples"])}) for one in json.loads(text))
    found = make()
    with suppress(OSError, RuntimeError, TypeError, ValueError):  # findings of a plugin may be of any type
        directory().mkdir(parents=True, exist_ok=True)
        write_text(directory() / f"{key}.json", json.dumps([asdict(one) for one in found]))
    return found


def _key(split: Split, version: int) -> str:
    """Of all that findings are made of: images with their labels and masks, what files say, and what was read oddly."""
    digest = hashlib.sha256(f"{version} {split.fingerprint} {split.train.pixels.shape[1:]} {split.findings}".encode())
    for part, images in (("train", split.train), ("test", split.test)):
        for name, values in sorted(images.facts.items()):
            digest.update(f"{part} {name} {np.asarray(values).tolist()}".encode())
    return digest.hexdigest()[:32]
