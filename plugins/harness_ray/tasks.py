"""What runs on the machines of a Ray cluster: a task for each trial, and the board for their progress."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from harness.executors import Makers, Observer, Progress, RemoteWorker, Returned, Split, Trial

BEAT_S = 0.25
"""How often the progress of a fit travels, at most."""


class Board:
    """Where workers pin up how far they are, until somebody takes it down. An actor."""

    def __init__(self) -> None:
        self._news: list[tuple[Trial, Progress]] = []
        self._pinned = asyncio.Event()

    async def pin(self, trial: Trial, progress: Progress) -> None:
        """From a worker."""
        self._news.append((trial, progress))
        self._pinned.set()

    async def take(self) -> list[tuple[Trial, Progress]]:
        """All that is new, as soon as something is."""
        await self._pinned.wait()
        await asyncio.sleep(BEAT_S)  # what many workers say comes as one message
        self._pinned.clear()
        news, self._news = self._news, []
        return news


class Wire(Observer):
    """Carries the progress of one fit to the board: several steps as one where they are fast."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._due = 0.0
        self._images = 0

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self._images += progress.images
        now = time.monotonic()
        if now >= self._due:
            self._board.pin.remote(trial, replace(progress, loss=float(progress.loss), images=self._images))
            self._due, self._images = now + BEAT_S, 0


def perform(trial: Trial, split: Split, wanted: Makers, remote: RemoteWorker, board: Any) -> Returned:
    """The task: fit a trial on data that comes along."""
    return remote.perform(trial, split, wanted, Wire(board))
