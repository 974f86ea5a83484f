"""`shots`: a trial is fitted to this number of training images, drawn by its seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.api import Split
from harness.errors import DataError, UsageError
from harness.trials.protocols.protocol import Category, Protocol
from harness.trials.setting_kinds import ALL
from harness.trials.settings import Settings
from harness.trials.subsets import subset
from harness.trials.trial import REST, Trial

_STREAM = 22
"""Keeps these random draws apart from all others of the same seed, so that a holdout has other images."""


class Shots(Protocol):
    """With one seed, more shots include the images of fewer. The images left out set limits only if asked to."""

    fields = ("shots",)

    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        if settings.calibrate == REST and ALL in settings.shots:
            called = settings.called
            raise UsageError(
                f"{called('calibrate')} rest sets limits on the training images that {called('shots')} leaves out, "
                f"and {called('shots')} {ALL} leaves none out: give numbers, such as {called('shots')} 4,8"
            )
        return [{} if number == ALL else {"shots": number} for number in settings.shots]

    def fault(self, asked: Settings, category: Category) -> str:
        most = max((number for number in asked.shots if isinstance(number, int)), default=0)
        there, spare = category.train_count if most else 0, asked.calibrate == REST
        if most + spare <= there or not most:
            return ""
        kept = ", one of which must be left to set limits on" if spare else ""
        return (
            f"{asked.called('shots')} {most}: {category.name} has {there} training images{kept}; ask for at most "
            f"{there - spare}" + f", or {ALL}" * (not spare)
        )

    def present(self, split: Split, trial: Trial, base: Split) -> Split:
        if trial.shots > len(split.train):
            raise DataError(f"{trial.shots} shots of {len(split.train)} training images: ask for fewer")
        drawn = np.random.default_rng((trial.seed, _STREAM)).permutation(len(split.train))
        chosen = subset(split.train, np.sort(drawn[: trial.shots]))
        if trial.calibrate != REST:
            return replace(split, train=chosen)
        return replace(split, train=chosen, calibration=subset(split.train, np.sort(drawn[trial.shots :])))
