"""Which detectors are tried, from cheap to dear, with the weights that are at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.api import Encoder, Model, Run
from harness.errors import HarnessError
from harness.plugin.registry import Registry
from harness.trials.trial import UNUSED
from harness.verdicts.naming import SEPARATOR, short_part

BACKBONES = ("timm[name=tf_efficientnet_lite0.in1k]", "vgg16")
"""Encoders with published weights that are looked for, the first that is at hand is taken."""
FROZEN = ("gaussian", "padim", "knn", "subspace", "patchcore")
"""Models of frozen features, from cheap to dear on two cores."""
TRAINED = (("dae", "conv", "ssim"),)
"""What is trained from nothing: dearest, so tried last."""
RANDOM = "conv"
"""The encoder whose features nobody trained, for where no weights are at hand."""


@dataclass(frozen=True)
class Detector:
    """One detector to try."""

    model: str
    encoder: str
    loss: str
    trained: bool = False

    @property
    def name(self) -> str:
        """`patchcore on effnet_lite0`; random features are called that."""
        if self.trained:
            return SEPARATOR.join((self.model, self.encoder, self.loss))
        if self.encoder == UNUSED:
            return self.model
        backbone = "random features" if self.encoder == RANDOM else short_part(self.encoder)
        return f"{self.model} on {backbone}"


def detectors(registry: Registry, backbone: str | None) -> Iterator[Detector]:
    """Detectors from cheap to dear, of those whose models are installed."""
    offered = registry.offers(Model)
    for model in FROZEN:
        if model in offered:
            yield Detector(model, backbone or RANDOM, UNUSED)
    for model, encoder, loss in TRAINED:
        if model in offered:
            yield Detector(model, encoder, loss, trained=True)


def backbone_at_hand(registry: Registry, weights_dir: Path | None, image_size: int) -> tuple[str | None, str]:
    """The first encoder whose published weights are at hand, or None and why there is none."""
    reasons = []
    for spelt in BACKBONES:
        try:
            registry.make(Encoder, spelt).build(Run(image_size=image_size, weights_dir=weights_dir))
        except HarnessError as error:
            reasons.append(str(error))
        else:
            return spelt, ""
    return None, reasons[0]
