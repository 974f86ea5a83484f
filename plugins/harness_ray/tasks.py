"""What runs on the machines of a Ray cluster: one task for each trial, and the board that collects their progress."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from harness.executors import Makers, Observer, Progress, RemoteWorker, Returned, Split, Trial, kept_apart

BEAT_S = 0.25
"""The least number of seconds between two progress messages of a fit."""


News = Progress | tuple[str, str]
"""The progress of a fit, or the name of a plugin with a line that it printed."""


class Board:
    """An actor that collects the news of all workers until the run fetches them."""

    def __init__(self) -> None:
        self._news: list[tuple[Trial, News]] = []
        self._pinned = asyncio.Event()

    async def pin(self, trial: Trial, news: News) -> None:
        """Add news; workers call this."""
        self._news.append((trial, news))
        self._pinned.set()

    async def take(self) -> list[tuple[Trial, News]]:
        """Wait for news, and return all of it."""
        await self._pinned.wait()
        await asyncio.sleep(BEAT_S)  # so that the news of many workers travel as one message
        self._pinned.clear()
        return await self.rest()

    async def rest(self) -> list[tuple[Trial, News]]:
        """All news so far, without waiting."""
        news, self._news = self._news, []
        return news


class Wire(Observer):
    """Sends the progress of one fit to the board. Steps in quick succession are sent as one."""

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
    """The task of one trial: fit it on data that is sent along."""
    with kept_apart(lambda plugin, line: board.pin.remote(trial, (plugin, line))):
        return remote.perform(trial, split, wanted, Wire(board))
