"""A process that runs plugins of strangers, seen from the harness: it is asked, waited for, and finally killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import Progress
from harness.errors import TrainingError, UnavailableError
from harness.trials.endings import ending, too_late
from harness.trials.isolation.fence import close_memory
from harness.trials.isolation.wire import MOST_ARRAYS, Arrays, WireError, receive, send

_START_MINUTES = 5.0
"""How many minutes plugins may take to be imported and to list what they offer."""


class StrangerProcess:
    """Answers questions. Raises TrainingError if it fails, dies, is late, or answers with something else."""

    def __init__(self, process: subprocess.Popen[bytes], line: Connection, folder: Path) -> None:
        self._process, self._line = process, line
        self.limit(_START_MINUTES)
        self.folder = folder
        """The folder for files that it is to read; it is removed when the process ends."""

    def limit(self, minutes: float | None) -> None:
        """Set how many minutes from now it may take; None sets no limit."""
        self._minutes = minutes
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes

    def ask(
        self,
        question: str,
        said: Mapping[str, Any] | None = None,
        arrays: Arrays | None = None,
        most: int = MOST_ARRAYS,
    ) -> tuple[dict[str, Any], Arrays]:
        """The answer to a question."""
        for answer, given in self.answers(question, said, arrays, most):
            if "progress" not in answer:
                return answer, given
        raise AssertionError("answers ends with an answer")

    def answers(
        self,
        question: str,
        said: Mapping[str, Any] | None = None,
        arrays: Arrays | None = None,
        most: int = MOST_ARRAYS,
    ) -> Iterator[tuple[dict[str, Any], Arrays]]:
        """Its reports of progress, and at the end the answer. Raises UnavailableError if a plugin raised one."""
        try:
            send(self._line, {**(said or {}), "ask": question}, arrays)
            while True:
                answer, given = self._receive(most)
                if "error" in answer:
                    kind = UnavailableError if answer["error"] == "unavailable" else TrainingError
                    raise kind(str(answer.get("reason")))
                yield answer, given
                if "progress" not in answer:
                    return
        except (EOFError, OSError) as error:
            self._process.kill()
            raise TrainingError(f"its process {ending(self._process.wait())}") from error
        except WireError as error:
            raise TrainingError(f"its process cannot be understood: {error}") from error

    def _receive(self, most: int) -> tuple[dict[str, Any], Arrays]:
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        if self._minutes is not None and not self._line.poll(left):
            raise TrainingError(too_late(self._minutes))
        return receive(self._line, most)


def progress_of(answer: Mapping[str, Any]) -> Progress:
    """The progress that a process reports. Raises TrainingError if the report is malformed."""
    try:
        epoch, epochs, loss, images = answer["progress"]
        return Progress(int(epoch), int(epochs), float(loss), int(images), bool(answer.get("epoch_done")))
    except (TypeError, ValueError, OverflowError) as error:
        raise TrainingError(f"its process reports {answer['progress']!r:.60}, expected numbers") from error


@contextmanager
def strangers(
    files: Mapping[Path, bytes], threads: int | None = None, minutes: float | None = _START_MINUTES
) -> Iterator[StrangerProcess]:
    """A process that has loaded these plugin files and all installed plugins; it ends when this context does."""
    close_memory()
    ours, theirs = Pipe()
    with tempfile.TemporaryDirectory(prefix="harness-isolated-", ignore_cleanup_errors=True) as folder:
        program = [sys.executable, "-P", "-m", "harness.trials.isolation.stranger"]
        process = subprocess.Popen(  # noqa: S603  it is our own program
            [*program, str(theirs.fileno()), str(os.getpid()), str(threads or 0)],
            stdin=subprocess.DEVNULL,
            stdout=2,  # stdout has the harness's own output only
            pass_fds=(theirs.fileno(),),
            cwd=folder,
            env=_surroundings(Path(folder)),
        )
        theirs.close()
        try:
            found = StrangerProcess(process, ours, Path(folder))
            sources = {f"file {at}": np.frombuffer(source, np.uint8) for at, source in enumerate(files.values())}
            found.ask("load", {"files": [str(file.absolute()) for file in files]}, sources)
            found.limit(minutes)
            yield found
        finally:
            ours.close()
            process.kill()
            process.wait()


def _surroundings(folder: Path) -> dict[str, str]:
    """The environment of a process of strangers: the same packages, and caches of its own."""
    packages = os.pathsep.join(path for path in sys.path if path)
    kept = {name: value for name, value in os.environ.items() if name not in ("HARNESS_CACHE", "PWD", "OLDPWD")}
    return {**kept, "PYTHONPATH": packages, "HARNESS_CACHE": str(folder / "cache")}
