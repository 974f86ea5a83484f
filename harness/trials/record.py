"""The record of how a trial came about: times, losses, pixel metrics, plugins, versions and machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.trials.latencies import Latency


@dataclass(frozen=True)
class Record:
    """What is kept of a trial beside its scores. Nothing in it changes which trial it is.

    A new field is one new line with a default, which it has in records that were written before.
    """

    fit_seconds: float | None = None
    score_seconds: float | None = None
    train_images_per_second: float | None = None
    """None if the model is not trained in steps."""
    tiles_per_second: float | None = None
    """How fast test images were scored in tiles; None where they are not cut, and in old records."""
    n_train: int | None = None
    """How many images it was fitted on, without those held out."""
    n_calibration: int | None = None
    """How many normal images limits are set on."""
    calibrated_on: str = ""
    """Which images those are: `fitted`, `holdout`, or the data set's `validation` split; empty in old records."""
    threads: int | None = None
    """The number of threads that torch used; None if torch was not used."""
    default_pool: str = ""
    """The default pool of its model; empty if unknown."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """The plugins of pools that are not built in, by the spelling of the pool."""
    pool_faults: Mapping[str, str] = field(default_factory=dict)
    """The reason why a pool has no scores, by pool."""
    corruption_faults: Mapping[str, str] = field(default_factory=dict)
    """The reason why a corruption that was asked for has no scores, by corruption."""
    resolved: Mapping[str, str] = field(default_factory=dict)
    """The values that open options, such as `bottleneck=auto`, were resolved to."""
    loss_history: tuple[float, ...] = ()
    """The training loss after each epoch."""
    pixels: Mapping[str, float | None] | None = None
    """Pixel metrics by name; None without maps or masks."""
    pixel_versions: Mapping[str, int] = field(default_factory=dict)
    """The version of the definition of each pixel metric; 1 if it is not named."""
    latency: tuple[Latency, ...] = ()
    """The measured latencies of its kept model."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """The distribution and version that each part came from, by kind of part."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Package to a digest of its source."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Package to version."""
    machine: Mapping[str, Any] = field(default_factory=dict)
    """System, processor, cores and device."""
    incomplete: str = ""
    """What the data lacks; empty if it is complete."""
    grave: Mapping[str, str] = field(default_factory=dict)
    """Grave findings on the images, by name, in a sentence each; see harness/audit."""
    floor: bool = False
    """Whether its model is a floor, which is shown below the methods and not ranked among them."""
    asked_batch_size: int | None = None
    """The batch size that was asked for, if memory was only enough for a smaller one."""
    finished_at: str = ""
    """UTC, as in 2026-11-27T21:37:57+00:00; empty until it is stored."""
    device_memory: Mapping[str, int] = field(default_factory=dict)
    """Of a GPU, in bytes: `peak`, the most that tensors took, and `free`, what there was before; empty elsewhere."""
    unread: Mapping[str, Any] = field(default_factory=dict)
    """What a newer harness has written and this one does not know; kept as it is."""

    def with_latencies(self, measured: Iterable[Latency]) -> Record:
        """The same with these; of the same setting and batch size, the newest stays."""
        by_age = sorted((*self.latency, *measured), key=lambda one: one.measured_at)
        newest = {(one.setting, one.batch): one for one in by_age}
        return replace(self, latency=tuple(newest.values()))


UNRECORDED = Record()
"""The record of a trial about which nothing is known. All share one object, which saves time."""
