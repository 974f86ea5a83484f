"""A model that changes something that all trials of a process share."""

from __future__ import annotations

import decimal
import gc
import hashlib
import io
import json
import locale
import logging
import math
import os
import random
import resource
import signal
import socket
import sqlite3
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import Images, Model, Ranking, Run, Scores, hookimpl


def _torch(change: str, *values: object) -> Any:
    import torch

    return getattr(torch, change)(*values)


ENTERED: list[Any] = []


def _entered(context: Any) -> None:
    ENTERED.append(context)  # which would leave its mode where nobody keeps it
    context.__enter__()


def _hard(limit: int) -> int:
    return resource.getrlimit(limit)[1]


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
    "an alarm": lambda: signal.alarm(600),
    "the mask of new files": lambda: os.umask(0o777),
    "limits of the process": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, _hard(resource.RLIMIT_FSIZE))),
    "what numpy calls on errors": lambda: np.seterrcall(print),
    "how long a whole number may be": lambda: sys.set_int_max_str_digits(0),
    "what traces the code": lambda: sys.settrace(lambda *_: None),
    "how numpy prints numbers": lambda: np.set_printoptions(precision=1),
    "the context of decimals": lambda: setattr(decimal.getcontext(), "prec", 2),
    "when garbage is collected": lambda: gc.set_threshold(1),
    "what is called as garbage is collected": lambda: gc.callbacks.append(lambda *_: None),
    "where modules are looked for": lambda: sys.path.insert(0, "/tmp"),
    "what is called on errors": lambda: setattr(sys, "excepthook", lambda *_: None),
    "how threads take turns": lambda: sys.setswitchinterval(1.0),
    "the words of the command": lambda: sys.argv.append("--evil"),
    "who logging tells": lambda: logging.root.handlers.clear() or logging.root.addHandler(logging.NullHandler()),
    "what logging lets through": lambda: logging.root.setLevel(51),
    "how long sockets wait": lambda: socket.setdefaulttimeout(0.001),
    "the turn of the process": lambda: os.nice(1),
    "torch's default dtype": lambda: _torch("set_default_dtype", __import__("torch").float64),
    "whether torch keeps gradients": lambda: _torch("set_grad_enabled", False),
    "torch's deterministic mode": lambda: _torch("use_deterministic_algorithms", True),
    "torch's precision of products": lambda: _torch("set_float32_matmul_precision", "medium"),
    "torch's settings of cuDNN": lambda: setattr(__import__("torch").backends.cudnn, "benchmark", True),
    "torch's number of threads": lambda: _torch("set_num_threads", __import__("torch").get_num_threads() + 1),
    "torch's default device": lambda: _torch("set_default_device", "meta"),
    "torch's inference mode": lambda: _entered(_torch("inference_mode", True)),
    "torch's automatic precision": lambda: _torch("set_autocast_enabled", "cpu", True),
    "whether torch uses oneDNN": lambda: setattr(__import__("torch").backends.mkldnn, "enabled", False),
    "whether tiny numbers are kept": lambda: _torch("set_flush_denormal", True),
    "torch's search for anomalies": lambda: __import__("torch").autograd.set_detect_anomaly(True),
    "torch's hooks": lambda: __import__("torch").nn.modules.module.register_module_forward_hook(lambda *_: None),
    "torch's modes": lambda: _entered(__import__("torch").overrides.TorchFunctionMode()),
}


def _another(module: str, name: str) -> Any:
    return getattr(sys.modules[module], name)


def _replace(owner: object, name: str, value: object = None) -> None:
    setattr(owner, name, value)


REPLACED = {
    "numpy.mean": lambda: _replace(np, "mean"),
    "numpy.linalg.norm": lambda: delattr(np.linalg, "norm"),
    "math.sqrt": lambda: _replace(math, "sqrt", lambda _: 0.0),
    "torch.nn.functional.relu": lambda: _replace(__import__("torch").nn.functional, "relu", abs),
    "harness.api.scored.Ranking.auroc": lambda: _replace(Ranking, "auroc", lambda _: 1.0),
    "json.dumps": lambda: _replace(json, "dumps", lambda *_, **__: "{}"),
    "hashlib.sha256": lambda: _replace(hashlib, "sha256", hashlib.md5),
    "sqlite3.connect": lambda: _replace(sqlite3, "connect"),
    "harness.api.values.GOOD": lambda: _replace(sys.modules["harness.api.values"], "GOOD", "square"),
    "harness.trials.trial.GOOD": lambda: _replace(sys.modules["harness.trials.trial"], "GOOD", "square"),
    "harness.verdicts.verdict.METRICS": lambda: _replace(sys.modules["harness.verdicts.verdict"], "METRICS", ()),
    "PIL.Image.open": lambda: _replace(sys.modules["PIL.Image"], "open"),
    "scipy.stats.rankdata": lambda: _replace(sys.modules["scipy.stats"], "rankdata"),
    "torch.nn.modules.conv.Conv2d.forward": lambda: _replace(__import__("torch").nn.Conv2d, "forward"),
    "torch.optim.adam.Adam.step": lambda: _replace(__import__("torch").optim.Adam, "step"),
    "numpy.lib._function_base_impl._quantile": lambda: _replace(np.lib._function_base_impl, "_quantile"),
    "harness_features.detectors.Gaussian.score": lambda: _replace(
        _another("harness_features.detectors", "Gaussian"), "score"
    ),
    "harness_timm.load_published": lambda: _replace(sys.modules["harness_timm"], "load_published", abs),
    "harness.api.scored.Ranking.average_precision": lambda: setattr(
        Ranking.average_precision, "__code__", (lambda self: 1.0).__code__
    ),
    "harness.metrics.guarantees.at_most": lambda: setattr(
        sys.modules["harness.metrics.guarantees"].at_most, "__defaults__", (0.0,)
    ),
    "harness.trials.settings.SETTINGS": lambda: sys.modules["harness.trials.settings"].SETTINGS.popitem(),
    "sys.modules['json']": lambda: sys.modules.update(json=type(sys)("json")),
    "torch.Tensor.mean": lambda: _replace(__import__("torch").Tensor, "mean", lambda *_: 0),
}


def _child() -> None:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)


ENDS = {
    "at once": lambda: os._exit(0),
    "with a thread": lambda: threading.Thread(target=time.sleep, args=(600,), name="idler").start(),
    "with a child": _child,
}


@dataclass
class Vandal(Model):
    """Does harm number N of HARM, or replaces a function; without either it only draws numbers."""

    name = "vandal"
    harm: int = -1
    fails: bool = False
    replaces: str = ""
    closes: int = -1
    ends: str = ""

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        random.random()
        np.random.rand()
        if self.harm >= 0:
            list(HARM.values())[self.harm]()
        if self.replaces:
            REPLACED[self.replaces]()
        if self.closes >= 0:
            os.close(self.closes)
        if self.ends:
            ENDS[self.ends]()
        if self.fails:
            sys.exit(1)

    def score(self, images: Images) -> Scores:
        return Scores(images=images.pixels.max(axis=(1, 2, 3)).astype(float))


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Vandal]
