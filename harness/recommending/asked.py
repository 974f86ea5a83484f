"""What a recommendation may be asked for, with each value read into its type."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.trials.settings import Settings


@dataclass(frozen=True)
class Asked:
    """A folder of photos, the time to spend on it, and the settings that its trials share."""

    place: Path
    minutes: float
    settings: Settings
    given: Mapping[str, Any]
    """The settings as they were given, before they were read."""

    @classmethod
    def of(cls, place: Any, minutes: Any, door: Any = "python", **settings: Any) -> Asked:
        """Read values into their types. Raises UsageError that names the wrong one as its user knows it."""
        try:
            found = float(minutes)
        except (TypeError, ValueError):
            found = 0.0
        if not 0 < found < 1e6:
            called = "--minutes" if door == "command line" else "minutes"
            raise UsageError(f"{called} is {minutes!r}: expected a number above 0, such as 10")
        asked = Settings.of(settings, door)
        if len(asked.seeds) > 1:
            raise UsageError(f"{asked.called('seeds')} is {len(asked.seeds)} seeds: a recommendation takes one")
        return cls(Path(os.fsdecode(place)), found, asked, settings)
