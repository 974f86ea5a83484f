"""What is said of sweeps: which rows one of them stands for, and how much choosing it by the test set flatters it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.report.metric_names import in_words
from harness.verdicts.methods import Method
from harness.verdicts.sweeps import Sweep


def sweep_notes(sweeps: Sequence[Sweep], names: Mapping[Method, str], ranked_by: str) -> list[str]:
    """A line for each sweep below a table that shows its best row alone; csv and json have all rows."""
    return [f"{names[sweep.best.method]}: {said_of(sweep, ranked_by)}." for sweep in sweeps]


def said_of(sweep: Sweep, ranked_by: str) -> str:
    """`the best of 3 by contraction; choosing it on these images flatters its auroc by 0.012`."""
    best = f"the best of {len(sweep.lines)} by {' and '.join(sweep.options)}"
    if sweep.flattered is None:
        return f"{best}; how much choosing it on the test images flatters it is not known here"
    by = "categories" if sweep.best.parts else "images"
    gap = f"{in_words(ranked_by)} by {max(sweep.flattered, 0.0):.3f}"
    return f"{best}; choosing it on these {by} flatters its {gap} against a choice on other {by}"
