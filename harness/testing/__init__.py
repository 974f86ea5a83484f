"""The conformance kit: small named checks of what the harness relies on in a part, for the tests of any plugin.

    @parametrize_with_checks([Vae(), Pot()])
    def test_keeps_the_contract(part, check):
        check(part)

Without pytest, `harness check vae` does the same. Importing this loads neither torch nor pytest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.api import Part
from harness.errors import UnavailableError, error_line
from harness.plugin.spec import spell
from harness.testing import (
    corruptions,
    datasets,
    defects,
    encoders,
    executors,
    honesty,
    losses,
    metrics,
    models,
    parts,
    pools,
    thresholds,
    trackers,
)
from harness.testing.parts import Check
from harness.testing.toys import toy_images
from harness.trials.surroundings import no_sudden_end

if TYPE_CHECKING:
    import pytest

__all__ = ["Check", "Outcome", "attempt", "checks_for", "parametrize_with_checks", "toy_images"]

_OF_KIND: Mapping[str, Callable[[Any], Iterable[Check]]] = {
    "model": lambda model: [*models.checks(model), *honesty.checks(model)],
    "encoder": encoders.checks,
    "loss": losses.checks,
    "pool": pools.checks,
    "threshold": thresholds.checks,
    "metric": metrics.checks,
    "dataset": datasets.checks,
    "defect": defects.checks,
    "corruption": corruptions.checks,
    "executor": executors.checks,
    "tracker": trackers.checks,
}


@dataclass(frozen=True)
class Outcome:
    """How a check ended."""

    status: Literal["passed", "failed", "skipped"]
    reason: str = ""
    """Empty when it passed."""


def checks_for(part: Part) -> list[Check]:
    """The checks that apply to a part. Each takes the part, and raises AssertionError where it is wrong."""
    return [*parts.checks(part), *_OF_KIND[part.kind](part)]


def attempt(check: Check, part: Part) -> Outcome:
    """Run one check. Whatever a part raises becomes the outcome; UnavailableError means that the check is skipped."""
    try:
        with no_sudden_end():  # which would end the kit, as if all checks had passed
            check(part)
    except UnavailableError as error:
        return Outcome("skipped", str(error))
    except AssertionError as error:
        return Outcome("failed", str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit included
        return Outcome("failed", error_line(error))
    return Outcome("passed")


def parametrize_with_checks(candidates: Iterable[Part | type[Part]]) -> pytest.MarkDecorator:
    """Make a pytest test that takes `part` and `check` run once for each check of each of these parts or classes."""
    import pytest

    made = [candidate() if isinstance(candidate, type) else candidate for candidate in candidates]
    return pytest.mark.parametrize(
        ("part", "check"),
        [
            pytest.param(part, _skipping(check), id=f"{spell(part)}-{check.__name__}")
            for part in made
            for check in checks_for(part)
        ],
    )


def _skipping(check: Check) -> Check:
    """The check for pytest, which skips where a check cannot be done here."""
    import pytest

    @functools.wraps(check)
    def run(part: Part) -> None:
        try:
            check(part)
        except UnavailableError as error:
            pytest.skip(str(error))

    return run
