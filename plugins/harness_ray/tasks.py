"""What runs on the machines of a Ray cluster: a task for each trial, and the board for their progress."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from harness.executors import Makers, Observer, Progress, RemoteWorker, Returned, Split, Trial, kept_apart

BEAT_S = 0.25
"""How often the progress of a fit travels, at most."""


News = Progress | tuple[str, str]
"""How far a fit is, or a plugin and a line that it has printed."""


class Board:
    """Where workers pin up how far they are, until somebody takes it down. An actor."""

    def __init__(self) -> None:
        self._news: list[tuple[Trial, News]] = []
        self._pinned = asyncio.Event()

    async def pin(self, trial: Trial, news: News) -> None:
        """From a worker."""
        self._news.append((trial, news))
        self._pinned.set()

    async def take(self) -> list[tuple[Trial, News]]:
        """All that is new, as soon as something is."""
        await self._pinned.wait()
        await asyncio.sleep(BEAT_S)  # what many workers say comes as one message
        self._pinned.clear()
        return await self.rest()

    async def rest(self) -> list[tuple[Trial, News]]:
        """All that is new, at once."""
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
    with kept_apart(lambda plugin, line: board.pin.remote(trial, (plugin, line))):
        return remote.perform(trial, split, wanted, Wire(board))
