"""All protocols, in the order in which they are applied. To add one, write a module here and list it in PROTOCOLS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from harness.api import Dataset, Split
from harness.errors import DataError, UsageError
from harness.plugin.registry import Registry
from harness.trials.protocols.augmentation import Augmentation, spelt_in_full
from harness.trials.protocols.contamination import Contamination
from harness.trials.protocols.cutting import Cutting
from harness.trials.protocols.joint import Joint
from harness.trials.protocols.protocol import Category, Protocol
from harness.trials.protocols.shots import Shots
from harness.trials.settings import Settings
from harness.trials.trial import CROSSFIT, PROTOCOL, Trial, named
from harness.trials.trial import Protocol as Values

PROTOCOLS: Sequence[Protocol] = (Shots(), Contamination(), Cutting(), Augmentation(), Joint())


def crossed(settings: Settings, registry: Registry | None = None, categories: Sequence[str] = ()) -> list[Values]:
    """Every combination of the protocols that the settings ask for, as values of a trial. Raises UsageError.

    The registry knows the parts that they name. A joint model learns these categories, unless the settings name others.
    """
    settings = replace(settings, together=settings.together or tuple(categories) or None)
    if registry is not None:
        settings = spelt_in_full(settings, registry)
    found: dict[Values, None] = {}
    for combination in product(*(protocol.asked(settings) for protocol in PROTOCOLS)):
        values = {**PROTOCOL, **{name: value for some in combination for name, value in some.items()}}
        found[tuple(values.values()) if values != PROTOCOL else ()] = None
    return list(found)


def calibrated(protocol: Values, calibrate: str) -> str:
    """How limits are set under a protocol, if `calibrate` is asked for. Cross-fitting is dropped for a single image."""
    return "" if calibrate == CROSSFIT and named(protocol).get("shots") == 1 else calibrate


def remark_on(settings: Settings) -> str:
    """What to tell the user if limits are not set as they asked; otherwise empty."""
    if settings.calibrate != CROSSFIT or 1 not in settings.shots:
        return ""
    called = settings.called
    return f"{called('shots')} 1: limits are set on the fitted image, for {called('calibrate')} {CROSSFIT} needs two"


def refuse_faults(settings: Settings, dataset: Dataset, categories: Iterable[str], image_size: int) -> None:
    """Raise UsageError if a category cannot be presented as the settings ask. Nothing has been fitted by then.

    A category whose images cannot be read is no fault here: the run will report it and go on with the others.
    """
    every = list(categories)
    for name in every:
        category = Category(dataset, name, image_size, every)
        for protocol in PROTOCOLS:
            try:
                fault = protocol.fault(settings, category)
            except DataError:
                break
            if fault:
                raise UsageError(fault)


def presented(base: Split, trial: Trial) -> Split:
    """The images of a category that a trial learns and is judged on. Raises DataError if there are too few.

    The fingerprint stays that of the category, unless the test images change.
    """
    if not trial.protocol:
        return base
    asked, split = named(trial.protocol), base
    for protocol in PROTOCOLS:
        if not asked.keys().isdisjoint(protocol.fields):
            split = protocol.present(split, trial, base)
    if split is base:
        return base
    split = replace(split)  # a copy, so that the fingerprint of the original stays
    vars(split)["fingerprint"] = base.fingerprint if split.test is base.test else _of_other_tests(base, split)
    return split


def _of_other_tests(base: Split, split: Split) -> str:
    told = repr((base.fingerprint, split.test.paths, split.test.defects, split.test.pixels.shape))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
