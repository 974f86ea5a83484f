"""The hooks that a plugin may implement. They take no arguments and return classes. Import heavy packages inside."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from harness.api import Corruption, Dataset, Defect, Encoder, Executor, Loss, Metric, Model, Pool, Threshold, Tracker

hookspec = pluggy.HookspecMarker("harness")
hookimpl = pluggy.HookimplMarker("harness")


@hookspec
def harness_models() -> Iterable[type[Model]]:
    """Return the models offered: classes that are fitted to normal images and score any image."""
    raise NotImplementedError


@hookspec
def harness_encoders() -> Iterable[type[Encoder]]:
    """Return the encoders offered: classes that build a module from images to feature maps."""
    raise NotImplementedError


@hookspec
def harness_losses() -> Iterable[type[Loss]]:
    """Return the losses offered: classes that map an output and its target to an error at each pixel."""
    raise NotImplementedError


@hookspec
def harness_pools() -> Iterable[type[Pool]]:
    """Return the pools offered: classes that turn the error map of an image into one score."""
    raise NotImplementedError


@hookspec
def harness_thresholds() -> Iterable[type[Threshold]]:
    """Return the thresholds offered: classes that turn the scores of normal images into a limit."""
    raise NotImplementedError


@hookspec
def harness_metrics() -> Iterable[type[Metric]]:
    """Return the metrics offered: classes that say in one number how good scores or decisions are."""
    raise NotImplementedError


@hookspec
def harness_datasets() -> Iterable[type[Dataset]]:
    """Return the data sets offered: classes that load the categories of one source of images."""
    raise NotImplementedError


@hookspec
def harness_defects() -> Iterable[type[Defect]]:
    """Return the defects offered: classes that paint a synthetic defect onto a photo of a good part."""
    raise NotImplementedError


@hookspec
def harness_corruptions() -> Iterable[type[Corruption]]:
    """Return the corruptions offered: classes that change a whole photo as light, camera and mounting do."""
    raise NotImplementedError


@hookspec
def harness_executors() -> Iterable[type[Executor]]:
    """Return the executors offered: classes that say where trials are fitted."""
    raise NotImplementedError


@hookspec
def harness_trackers() -> Iterable[type[Tracker]]:
    """Return the trackers offered: classes that write finished trials down elsewhere."""
    raise NotImplementedError
