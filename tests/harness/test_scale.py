"""What scheduling costs with many workers: the real scheduler and store, over workers in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def test_many_workers_are_kept_busy_and_the_writer_keeps_up(virtual_run: Callable[..., Any]) -> None:
    ran = virtual_run(300, workers=30, trial_s=20.0, driver_s=0.01, pause_s=0.02)
    assert ran.overhead(300) < 0.05
    assert ran.driver_busy < 0.5 * ran.clock


def test_a_driver_that_cannot_keep_up_shows_as_overhead(virtual_run: Callable[..., Any]) -> None:
    ran = virtual_run(100, workers=20, trial_s=10.0, driver_s=1.0, pause_s=0.0)
    assert ran.overhead(100) == pytest.approx(1.2, abs=0.3), "100 tasks of a second, and the last one's ten"
    assert ran.driver_busy > 0.8 * ran.clock
