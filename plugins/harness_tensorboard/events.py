"""Writes an event file with TensorBoard's own writer. The writer of torch would import torch without need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto


class EventFile:
    """Writes one event file into a folder."""

    def __init__(self, folder: Path) -> None:
        self._writer = EventFileWriter(str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def scalar(self, name: str, value: float, step: int = 0) -> None:
        """Add a point to a curve."""
        self._write(Summary(value=[Summary.Value(tag=name, simple_value=value)]), step)

    def text(self, name: str, markdown: str) -> None:
        """Add a text for people."""
        about = create_summary_metadata(name, "")
        tensor = make_tensor_proto([markdown], dtype=np.object_)
        self._write(Summary(value=[Summary.Value(tag=f"{name}/text_summary", metadata=about, tensor=tensor)]))

    def settings(self, settings: Mapping[str, Any]) -> None:
        """Add the settings, which TensorBoard shows beside the metrics in its table of runs."""
        plain = {name: value if isinstance(value, int | float) else str(value) for name, value in settings.items()}
        self._write(hparams_pb(plain))

    def _write(self, summary: Any, step: int = 0) -> None:
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
