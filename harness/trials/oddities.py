"""What is odd about a run, in sentences: what plugins changed, what was tried twice, what was of no use or unasked."""

from __future__ import annotations

from collections.abc import Iterator

from harness.api import Executor
from harness.plugin.spec import spell
from harness.trials.schedule import RunSummary


def of_changes(summary: RunSummary) -> Iterator[str]:
    """What plugins have changed for the whole process, once for each method."""
    by_method: dict[str, list[str]] = {}
    for method, name in summary.changed:
        by_method.setdefault(method, []).append(name)
    for method, names in by_method.items():
        yield f"the parts of {method} changed {' and '.join(names)} for the whole process, which was put back"


def of_memory(summary: RunSummary) -> Iterator[str]:
    """That trials ran out of memory side by side, and how to let fewer of them run at a time."""
    if summary.alone:
        first, *others = [trial.title for trial in summary.alone]
        more = f" and {len(others)} more" if others else ""
        yield f"{first}{more} ran out of memory beside other trials, and had a second try alone; fewer jobs avoid that"


def of_unasked(summary: RunSummary, executor: Executor) -> Iterator[str]:
    """That an executor gave outcomes which nobody waited for."""
    if summary.unasked:
        first, *others = [trial.title for trial in summary.unasked]
        more = f" and {len(others)} more" if others else ""
        yield (
            f"executor {spell(executor)} gave an outcome of {first}{more} that nobody waited for, as where it gives "
            "one twice: the first one of each trial counts, and the others are left out"
        )


def of_kept(summary: RunSummary, keep_models: str) -> Iterator[str]:
    """That kept models could not be used, and how other fits for corruptions are spared, once for a run."""
    if summary.kept_faults:
        (trial, why), *others = summary.kept_faults
        more = f", and {len(others)} more" if others else ""
        yield f"{trial.title}{more}: fitted again, for the kept model could not be used: {why}"
    elif summary.again and any(one.startswith("corruption") for one in summary.again_for):
        yield f"corruptions take no other fit where models are kept ({keep_models}): none was kept of these trials"
