"""Where trials are fitted: on this machine, unless a plugin offers another place. This module is a plugin, too."""

from __future__ import annotations

from collections.abc import Iterable

from harness.api import Executor
from harness.plugin.hookspecs import hookimpl


@hookimpl
def harness_executors() -> Iterable[type[Executor]]:
    """The executors of the core."""
    from harness.trials.executors.local import Local

    return [Local]
