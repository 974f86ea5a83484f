"""Which detectors are tried with the weights that are at hand, cheap ones first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.api import Model
from harness.plugin.registry import Registry
from harness.trials.presets import RANDOM
from harness.trials.trial import UNUSED
from harness.verdicts.naming import SEPARATOR, short_part

FROZEN = ("gaussian", "padim", "knn", "subspace", "patchcore")
"""Models that use frozen features, ordered by their time on two cores, fastest first."""
TRAINED = (("dae", "conv", "ssim"),)
"""Models that are trained from scratch. They take longest and are tried last."""


@dataclass(frozen=True)
class Detector:
    """One detector to try."""

    model: str
    encoder: str
    loss: str
    trained: bool = False

    @property
    def name(self) -> str:
        """For example `patchcore on effnet_lite0`, or `patchcore on random features`."""
        if self.trained:
            return SEPARATOR.join((self.model, self.encoder, self.loss))
        if self.encoder == UNUSED:
            return self.model
        backbone = "random features" if self.encoder == RANDOM else short_part(self.encoder)
        return f"{self.model} on {backbone}"


def detectors(registry: Registry, backbone: str | None) -> Iterator[Detector]:
    """The detectors whose models are installed, cheap ones first."""
    offered = registry.offers(Model)
    for model in FROZEN:
        if model in offered:
            yield Detector(model, backbone or RANDOM, UNUSED)
    for model, encoder, loss in TRAINED:
        if model in offered:
            yield Detector(model, encoder, loss, trained=True)
