"""A program ends though a plugin has left threads running, after these had their seconds."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from harness.commands import _leaving
from harness.commands._leaving import leave


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when a test is over, so that its threads end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes that the process would have ended with."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(_leaving, "WAIT_S", 0.2)
    return codes


def started(over: threading.Event, name: str, *, daemon: bool = False) -> threading.Thread:
    thread = threading.Thread(target=over.wait, name=name, daemon=daemon)
    thread.start()
    return thread


def test_without_threads_of_others_the_program_ends_as_always(
    over: threading.Event, ended: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    mine = started(over, "there before")
    started(over, "a daemon", daemon=True)
    leave([*threading.enumerate(), mine], 0)
    quick = threading.Thread(target=lambda: over.wait(0.05))
    before = threading.enumerate()
    quick.start()
    leave(before, 0)
    assert not quick.is_alive(), "it was waited for"
    assert (ended, capsys.readouterr().err) == ([], "")


@pytest.mark.parametrize(("code", "becomes"), [(0, 0), (3, 3), (None, 0), ("a message", 1)])
def test_threads_that_do_not_end_are_named_and_left(
    code: object, becomes: int, over: threading.Event, ended: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = threading.enumerate()
    for name in ("first", "sec\nond", "third", "fourth"):
        started(over, name)
    leave(before, code)
    assert ended == [becomes]
    assert capsys.readouterr().err == (
        "harness: a plugin left threads running (first, sec\\nond, third), which are not waited for\n"
    )


def test_all_threads_together_have_the_seconds_of_one(over: threading.Event, ended: list[int]) -> None:
    asked: list[float | None] = []

    class Slow(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            asked.append(timeout)
            super().join(timeout)

    before = threading.enumerate()
    for _ in range(3):
        Slow(target=over.wait).start()
    leave(before, 0)
    assert len(asked) == 3
    assert asked[0] == pytest.approx(0.2, abs=0.1)
    assert asked[1:] == pytest.approx([0.0, 0.0], abs=0.1)
    assert min(filter(None, asked), default=0.0) >= 0
