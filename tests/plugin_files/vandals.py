"""A model that changes something that all trials of a process share."""

from __future__ import annotations

import gc
import io
import locale
import logging
import math
import os
import random
import signal
import sys
import warnings
from dataclasses import dataclass

import numpy as np

from harness import Images, Model, Ranking, Run, Scores, hookimpl


def _torch(change: str, *values: object) -> None:
    import torch

    getattr(torch, change)(*values)


HARM = {
    "the working folder": lambda: os.chdir("/"),
    "environment variables": lambda: os.environ.update(HARNESS_OFFLINE="0"),
    "warning filters": lambda: warnings.simplefilter("ignore"),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
    "numpy's handling of errors": lambda: np.seterr(all="raise"),
    "the recursion limit": lambda: sys.setrecursionlimit(5000),
    "the standard streams": lambda: setattr(sys, "stderr", io.StringIO()),
    "how logging is silenced": lambda: logging.disable(logging.CRITICAL),
    "signal handlers": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "garbage collection": gc.disable,
    "torch's default dtype": lambda: _torch("set_default_dtype", __import__("torch").float64),
    "whether torch keeps gradients": lambda: _torch("set_grad_enabled", False),
    "torch's deterministic mode": lambda: _torch("use_deterministic_algorithms", True),
    "torch's precision of products": lambda: _torch("set_float32_matmul_precision", "medium"),
    "torch's settings of cuDNN": lambda: setattr(__import__("torch").backends.cudnn, "benchmark", True),
    "torch's number of threads": lambda: _torch("set_num_threads", __import__("torch").get_num_threads() + 1),
}


def _replace(owner: object, name: str, value: object = None) -> None:
    setattr(owner, name, value)


REPLACED = {
    "numpy.mean": lambda: _replace(np, "mean"),
    "numpy.linalg.norm": lambda: delattr(np.linalg, "norm"),
    "math.sqrt": lambda: _replace(math, "sqrt", lambda _: 0.0),
    "torch.nn.functional.relu": lambda: _replace(__import__("torch").nn.functional, "relu", abs),
    "harness.api.scored.Ranking.auroc": lambda: _replace(Ranking, "auroc", lambda _: 1.0),
    "torch.Tensor.mean": lambda: _replace(__import__("torch").Tensor, "mean", lambda *_: 0),
}


@dataclass
class Vandal(Model):
    """Does harm number N of HARM, or replaces a function; without either it only draws numbers."""

    name = "vandal"
    harm: int = -1
    fails: bool = False
    replaces: str = ""

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        random.random()
        np.random.rand()
        if self.harm >= 0:
            list(HARM.values())[self.harm]()
        if self.replaces:
            REPLACED[self.replaces]()
        if self.fails:
            sys.exit(1)

    def score(self, images: Images) -> Scores:
        return Scores(images=images.pixels.max(axis=(1, 2, 3)).astype(float))


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Vandal]
