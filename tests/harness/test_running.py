"""Where a run fits what was defined in this process, and what is refused with the way to do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness import Executor, Threshold, UsageError
from harness.plugin.in_process import registry_with
from harness.running import _registry, _where_parts_are
from harness.trials.executors.local import Local
from harness.trials.settings import Settings


@dataclass
class Own(Threshold):
    name = "own_limit"

    def fit(self, normal: np.ndarray) -> float:
        return float(normal.max())


class Elsewhere(Executor):
    name = "elsewhere"

    def run(self, trials, worker, observer):
        yield from ()


class InThisProcess(Elsewhere):
    name = "in_this_process"
    in_process = True


REGISTRY = registry_with([Own])


def where(
    executor: Executor, *parts: Threshold, door: str = "python", registry: Any = REGISTRY, **asked: Any
) -> Executor:
    return _where_parts_are(registry, parts, executor, Settings.of(asked, door))


def test_parts_of_this_process_are_fitted_in_it_one_trial_at_a_time() -> None:
    assert where(Local(), Own()) == Local(1)
    assert where(Local(1), Own()) == Local(1)
    installed = REGISTRY.choose(Threshold, "mean")
    assert where(Local(3), *installed) == Local(3), "no part of it is of this process"
    own, others = InThisProcess(), Elsewhere()
    assert where(own, Own(), isolate=True) is own
    assert where(others, Own(), registry=registry_with([Own, Elsewhere])) is others, "it is of this process itself"


@pytest.mark.parametrize(
    ("executor", "asked", "said"),
    [
        (
            Local(2),
            {},
            "and jobs other than 1 run in others, which do not have it: save Own with its hook in a .py file",
        ),
        (Local(2), {"door": "command line"}, "or run here with --jobs=1"),
        (Local(), {"isolate": True}, "and isolate runs trials in others: save it with its hook in a .py file"),
        (Local(1), {"trial_minutes": 3}, "and trial_minutes runs trials in others"),
    ],
)
def test_what_runs_in_other_processes_cannot_have_parts_of_this_one(
    executor: Executor, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        where(executor, Own(), **asked)
    assert str(refused.value).startswith("threshold 'own_limit' was defined in this process, ")
    assert said in str(refused.value)


def test_of_several_parts_that_cannot_be_fenced_off_the_first_is_named() -> None:
    with pytest.raises(UsageError, match="Own'> is code of this process, which isolate cannot fence off"):
        _registry(Settings.of({"isolate": True, "plugins": [Own, Elsewhere]}))
