"""A model that searches its process for labels, or does worse; it scores by the distance to the mean image."""

from __future__ import annotations

import gc
import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness import Images, Loss, Model, Progress, Run, Scores, Split, Threshold, hookimpl


def _frames() -> bool:
    frame = sys._getframe()
    while frame is not None:
        if any(isinstance(value, Split) for value in frame.f_locals.values()):
            return True
        frame = frame.f_back
    return False


def _everywhere() -> bool:
    held = (one for module in list(sys.modules.values()) for one in vars(module).values())
    return _frames() or any(isinstance(one, Split) for one in (*held, *gc.get_objects()))


def _parent() -> bool:
    """Whether the memory of the process that started this one can be read, as a debugger would."""
    try:
        with open(f"/proc/{os.getppid()}/mem", "rb"):  # noqa: PTH123  it is no file of anyone's
            return True
    except OSError:
        return False


LOOKS = {"frames": _frames, "everywhere": _everywhere, "parent": _parent}


def _raise(run: Run) -> None:
    raise ValueError("a stranger's fault")


def _babble(run: Run) -> None:
    from multiprocessing.connection import Connection

    next(one for one in gc.get_objects() if type(one) is Connection).send_bytes(b"no JSON")


DOES: dict[str, Any] = {
    "raise": _raise,
    "die": lambda run: os._exit(7),
    "babble": _babble,
    "nan": lambda run: run.report(Progress(1, 1, float("nan"), 1)),
    "memory": lambda run: bytearray(1 << 60),
    "hang": lambda run: time.sleep(600),
}


class Some(Loss):
    name = "some"

    def error_map(self, output: Any, target: Any) -> Any:
        return output


@dataclass
class Spy(Model):
    name = "spy"
    uses = frozenset({"pool"})
    looks: str = ""
    does: str = ""
    width: int | None = None
    loss: Loss = field(default_factory=Some)

    def fit(self, normal: Images, *, run: Run, **parts: object) -> None:
        self.found = "labels" if self.looks and LOOKS[self.looks]() else "nothing"
        if self.does in DOES:
            DOES[self.does](run)
        self.centre = normal.pixels.mean(axis=0)

    def resolved(self, encoder: object) -> dict[str, str]:
        return {"found": self.found} if self.looks else {}

    def score(self, images: Images) -> Scores:
        maps = np.abs(images.pixels - self.centre).mean(axis=3)
        return Scores(maps=maps[1:] if self.does == "shape" else maps)


class Spying(Threshold):
    name = "spying"

    def fit(self, normal: np.ndarray) -> float:
        return 0.0


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Spy]


@hookimpl
def harness_losses() -> list[type[Loss]]:
    return [Some]


@hookimpl
def harness_thresholds() -> list[type[Threshold]]:
    return [Spying]
