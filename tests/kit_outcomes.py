"""What the checks of the kit say of a part, for tests of the kit itself."""

from __future__ import annotations

from typing import Any

from harness.testing import Outcome, attempt, checks_for


def outcomes_of(part: Any) -> dict[str, Outcome]:
    """What each check that the kit has for a part came to, by its name without `check_`."""
    return {check.__name__.removeprefix("check_"): attempt(check, part) for check in checks_for(part)}


def failed(part: Any) -> dict[str, str]:
    """The checks that a part does not pass, each with the reason."""
    return {name: outcome.reason for name, outcome in outcomes_of(part).items() if outcome.status != "passed"}
