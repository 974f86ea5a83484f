"""A model for each way to cheat that was tried; the conformance kit has to find every one."""

from __future__ import annotations

import gc
import hashlib
import json
import locale
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness import Images, Model, OracleThreshold, Progress, Ranking, Run, Scores, Split, Threshold, hookimpl


def _by_split(split: Any, images: Images) -> np.ndarray | None:
    if not isinstance(split, Split):
        return None
    known = {pixels.tobytes(): label for pixels, label in zip(split.test.pixels, split.test.labels, strict=True)}
    return np.array([float(known.get(pixels.tobytes(), False)) for pixels in images.pixels])


def _frames(images: Images) -> np.ndarray | None:
    frame = sys._getframe()
    while frame is not None:
        for value in frame.f_locals.values():
            if (found := _by_split(value, images)) is not None:
                return found
        frame = frame.f_back
    return None


def _memory(images: Images) -> np.ndarray | None:
    return next((found for one in gc.get_objects() if (found := _by_split(one, images)) is not None), None)


def _files(images: Images) -> np.ndarray | None:
    names = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            path = link.readlink()
        except OSError:
            continue
        if path.suffix == ".png" and path.is_file():
            names[path.read_bytes()] = float("/good/" not in str(path))
    return np.array([names.get(pixels.tobytes(), 0.0) for pixels in images.pixels]) if names else None


def _labels(images: Images) -> np.ndarray:
    return np.array([float(kind != "good") for kind in images.defects])


def _masks(images: Images) -> np.ndarray | None:
    return None if images.masks is None else images.masks.max(axis=(1, 2)).astype(float)


def _paths(images: Images) -> np.ndarray:
    return np.array([float("/good/" not in path and "/" in path) for path in images.paths])


def _torch(change: str, value: object) -> None:
    import torch

    getattr(torch, change)(value)


FINDS = {"frames": _frames, "memory": _memory, "files": _files, "labels": _labels, "masks": _masks, "paths": _paths}
HARMS: Mapping[str, Callable[[], object]] = {
    "errors": lambda: np.seterr(all="ignore" if np.geterr()["divide"] == "raise" else "raise"),
    "deaf": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "dtype": lambda: _torch("set_default_dtype", __import__("torch").float64),
    "threads": lambda: _torch("set_num_threads", __import__("torch").get_num_threads() + 1),
    "warnings": lambda: warnings.simplefilter("ignore"),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8"),
    "folder": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(HARNESS_CHEAT="1"),
    "functions": lambda: setattr(np, "mean", None),
    "ids": lambda: setattr(json, "dumps", lambda *_, **__: "{}"),
    "digests": lambda: setattr(hashlib, "sha256", hashlib.md5),
    "kinds": lambda: setattr(sys.modules["harness.trials.trial"], "GOOD", "square"),
    "mask": lambda: os.umask(0o777),
    "limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (99, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
    "figures": lambda: setattr(Ranking, "auroc", lambda _: 1.0),
}
"""What changes something for the models that follow."""


@dataclass
class Cheat(Model):
    name = "cheat"
    way: str = ""
    seen: ClassVar[list[np.ndarray]] = []

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        self.counter = count()
        known = np.concatenate(self.seen) if self.way == "remembers" and self.seen else normal.pixels
        self.centre = known.astype(float).mean(axis=0)
        if self.way == "clips":
            pixels = normal.pixels
            pixels[pixels > 90] = 90
        if self.way in HARMS:
            HARMS[self.way]()
        if self.way == "leaves":
            sys.exit(0)
        if self.way == "ends":
            os._exit(0)
        if self.way == "nan":
            run.report(Progress(1, 1, float("nan"), 1))

    def score(self, images: Images) -> Scores:
        honest = np.abs(images.pixels - self.centre).max(axis=(1, 2, 3))
        if self.way == "order":
            honest = np.arange(len(images)) * 1.0
        if self.way == "remembers":
            self.seen.append(images.pixels.copy())
        if self.way == "calls":
            honest = np.array([next(self.counter) for _ in images.paths]) * 1.0
        found = FINDS[self.way](images) if self.way in FINDS else None
        return Scores(images=honest if found is None else 1000 * found + honest)


class Disguised(Threshold):
    """An oracle that says it is none."""

    name = "disguised"

    def fit(self, normal: np.ndarray) -> float:
        return 0.0

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        return float((scores[labels].min() + scores[~labels].max()) / 2)


class Denying(OracleThreshold):
    """An oracle that denies it."""

    name = "denying"
    oracle = False

    def fit_oracle(self, scores: np.ndarray, labels: np.ndarray) -> float:
        return float((scores[labels].min() + scores[~labels].max()) / 2)


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Cheat]


@hookimpl
def harness_thresholds() -> list[type[Threshold]]:
    return [Disguised, Denying]
