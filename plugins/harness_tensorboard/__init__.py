"""Records trials as event files of TensorBoard."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Tracker, hookimpl


@hookimpl
def harness_trackers() -> Iterable[type[Tracker]]:
    """The tracker `tensorboard`."""
    from harness_tensorboard.tracker import TensorBoard

    return [TensorBoard]
