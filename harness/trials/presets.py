"""Named sets of settings: what a run does where nobody asks for anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.api import Dataset, Encoder, Run
from harness.errors import HarnessError, UsageError, unknown_name
from harness.plugin.registry import Registry
from harness.trials.settings import KUMAR_2025, OWN_IMAGES, Settings

BACKBONES = ("timm[name=tf_efficientnet_lite0.in1k]", "vgg16")
"""Encoders with published weights that are looked for; the first that is at hand is taken."""
RANDOM = "conv"
"""The encoder whose features nobody trained, for where no weights are at hand."""
METHOD = ("models", "encoders", "losses")
"""Settings that say what is fitted. Who asks for one of them has a method in mind: the paper's protocol is taken."""
_INSTEAD = {"thresholds": "max_false_alarms", "calibrate": "holdout"}
"""Settings that say the same in another way: where they are asked for, a preset does not speak."""


@dataclass(frozen=True)
class Preset:
    """Values for settings, by name."""

    values: Mapping[str, Any] = field(default_factory=dict)
    backbones: Sequence[str] = ()
    """Encoders of which the first with weights at hand is taken; empty where the values name encoders."""


PRESETS: Mapping[str, Preset] = {
    KUMAR_2025: Preset({"models": "dae,cae", "encoders": "conv", "losses": "mse,ssim", "thresholds": "mean"}),
    OWN_IMAGES: Preset({"models": "gaussian,patchcore", "thresholds": "quantile", "calibrate": "crossfit"}, BACKBONES),
}


def preset_of(settings: Settings, dataset: Dataset) -> str:
    """The preset that is asked for; else that of the data set, or the paper's where somebody asks for a method.

    Raises UsageError where the data set names one that is none.
    """
    if dataset.preset not in PRESETS:
        raise UsageError(f"data set {dataset.name!r}: {unknown_name('preset', dataset.preset, PRESETS)}")
    if settings.preset is not None:
        return settings.preset
    return KUMAR_2025 if settings.asked & set(METHOD) else dataset.preset


def with_preset(settings: Settings, dataset: Dataset, registry: Registry, image_size: int) -> tuple[Settings, str]:
    """The settings, with those of the preset where nobody asked for another value; and what to say about that."""
    name = preset_of(settings, dataset)
    preset, free = PRESETS[name], _free(settings)
    values = {one: value for one, value in preset.values.items() if one in free}
    remark = ""
    if preset.backbones and "encoders" in free:
        found, missing = backbone_at_hand(registry, settings.weights_dir, image_size)
        values["encoders"] = found or RANDOM
        remark = f"; no published weights are at hand, so features are random, which is weaker: {missing}" * (not found)
    done = replace(settings, **values)
    if name != KUMAR_2025:
        chosen = ", ".join(f"{one} {_shown(getattr(done, one))}" for one in sorted(values))
        return done, f"preset {name}: {chosen} ({settings.called('preset')} {KUMAR_2025} is the paper's){remark}"
    if settings.preset is None and dataset.preset != name and {"thresholds", "calibrate"} <= free:
        return done, (
            "limits are the mean score of the fitted images, as in the paper, and call about half of new good parts "
            f"anomalous: {settings.called('preset')} {dataset.preset} sets them on images that were not fitted"
        )
    return done, ""


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


def _free(settings: Settings) -> set[str]:
    """Settings about which nobody has said anything."""
    names = {*METHOD, "thresholds", "calibrate"}
    return {one for one in names - settings.asked if _INSTEAD.get(one) not in settings.asked}


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
