"""The program of a process of strangers: says what they offer, fits one model, and scores pixels with it.

It is started with the descriptor of its line to the harness, and asks for nothing else.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import Encoder, Images, Loss, Model, Progress, Scores
from harness.errors import HarnessError, UnavailableError, error_text, where_raised
from harness.plugin.printed import kept_apart
from harness.plugin.registry import HOOKS, Registry
from harness.trials import hardware
from harness.trials.handed import handed
from harness.trials.isolation.described import ISOLATED, describe
from harness.trials.isolation.fence import give_up_tracing
from harness.trials.isolation.wire import Arrays, receive, send
from harness.trials.trial import UNUSED, Trial

Answer = tuple[dict[str, Any], Arrays]


class Stranger:
    """Answers what the harness asks, one question after another."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._registry = Registry()
        self._model: Model | None = None

    def answers(self) -> None:
        """Answer until the harness hangs up."""
        questions: dict[str, Callable[[Mapping[str, Any], Arrays], Answer]] = {
            "load": self._load,
            "describe": self._describe,
            "fit": self._fit,
            "score": self._score,
            "score_left_out": self._score_left_out,
            "state": self._state,
        }
        while True:
            try:
                said, arrays = receive(self._line)
            except (EOFError, OSError):
                return
            try:
                answer, given = questions[said["ask"]](said, arrays)
            except BaseException as error:  # of a plugin, sys.exit included
                answer, given = _fault(error), {}
            send(self._line, answer, given)

    def _load(self, said: Mapping[str, Any], arrays: Arrays) -> Answer:
        files = {Path(name): arrays[f"file {at}"].tobytes() for at, name in enumerate(said["files"])}
        self._registry = Registry.discover(files)
        return {}, {}

    def _describe(self, said: Mapping[str, Any], arrays: Arrays) -> Answer:
        parts, left_out = [], []
        for kind in HOOKS:
            for name, offer in self._registry.offers(kind).items():
                who = [offer.plugin.place, offer.plugin.name]
                if offer.plugin.builtin:
                    continue
                if kind.kind not in ISOLATED:
                    left_out.append([*who, f"offers {kind.kind} {name!r}, which is left out: it would be given labels"])
                    continue
                try:
                    parts.append({"plugin": who, **describe(offer.part)})
                except Exception as error:
                    left_out.append(
                        [*who, f"offers {kind.kind} {name!r}, which cannot be isolated: {error_text(error)}"]
                    )
        for plugin in self._registry.plugins:
            left_out += [[plugin.place, plugin.name, problem] for problem in plugin.problems]
        return {"parts": parts, "problems": left_out}, {}

    def _fit(self, said: Mapping[str, Any], arrays: Arrays) -> Answer:
        trial = Trial.read(said["trial"])
        weights_dir = said["weights_dir"] and Path(said["weights_dir"])
        make = self._registry.make
        encoder = None if trial.encoder == UNUSED else make(Encoder, trial.encoder)
        loss = None if trial.loss == UNUSED else make(Loss, trial.loss)
        model = make(Model, trial.model)
        run = trial.run(said["device"], weights_dir)
        object.__setattr__(run, "report", self._report)
        pixels = np.load(said["pixels"], mmap_mode="r")
        model.fit(handed(Images(pixels, ("",) * len(pixels))), encoder=encoder, loss=loss, run=run)
        self._model = model
        resolved = {str(name): str(value) for name, value in model.resolved(encoder).items()}
        return {"resolved": resolved, "threads": hardware.threads_in_use()}, {}

    def _report(self, progress: Progress) -> None:
        numbers = [int(progress.epoch), int(progress.epochs), float(progress.loss), int(progress.images)]
        send(self._line, {"progress": numbers, "epoch_done": bool(progress.epoch_done)})

    def _score(self, said: Mapping[str, Any], arrays: Arrays) -> Answer:
        assert self._model is not None
        pixels = arrays["pixels"]
        return {}, _given(self._model.score(handed(Images(pixels, ("",) * len(pixels)))))

    def _score_left_out(self, said: Mapping[str, Any], arrays: Arrays) -> Answer:
        assert self._model is not None
        pixels = arrays["pixels"]
        without = np.split(arrays["without"].astype(np.intp), np.cumsum(arrays["lengths"])[:-1])
        return {}, _given(self._model.score_left_out(handed(Images(pixels, ("",) * len(pixels))), without))

    def _state(self, said: Mapping[str, Any], arrays: Arrays) -> Answer:
        assert self._model is not None
        return {}, {str(name): np.asarray(array) for name, array in self._model.state().items()}


def _given(scores: Scores) -> Arrays:
    given = {"maps": scores.maps, "images": scores.images}
    return {name: np.asarray(values) for name, values in given.items() if values is not None}


def _fault(error: BaseException) -> dict[str, Any]:
    """The message that is sent instead of an answer when an error was raised."""
    kind = "unavailable" if isinstance(error, UnavailableError) else "fault"
    reason = str(error) if isinstance(error, HarnessError) else where_raised(error)
    if isinstance(error, MemoryError) and not hardware.out_of_memory(Exception(reason)):
        reason += ": out of memory"
    return {"error": kind, "reason": reason}


def main() -> None:
    """Start answering. This process ends together with the one that started it, whatever a plugin does."""
    parent = int(sys.argv[2])
    with suppress(Exception):  # where there is no prctl: it then ends when it next looks at its line
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        return
    give_up_tracing()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the harness decides
    threads = int(sys.argv[3]) or None
    with kept_apart(), hardware.limited_to(threads):
        Stranger(Connection(int(sys.argv[1]))).answers()


if __name__ == "__main__":
    main()
