"""`augment`: a model is fitted to the training images and to changed copies of them, for example flipped or brighter.

The changes are made by corruptions, which alter a photo but not the part in it. Only flips are defined here, because no
light or camera makes them. The copies are made anew for each fit, from the images that it is given: an image that is
held out to set limits, or left out by cross-fitting, has no copy among the images that the model learns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.api import Corruption, Images
from harness.errors import UsageError, unknown_name
from harness.plugin.grammar import split_joined
from harness.plugin.registry import Registry
from harness.plugin.spec import parse, spell, split_list
from harness.trials.protocols.protocol import Protocol
from harness.trials.setting_kinds import NONE
from harness.trials.settings import Settings
from harness.trials.subsets import stacked
from harness.trials.trial import Trial

_STREAM = 24
"""Keeps these random draws apart from all others of the same seed."""
FLIPS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "flip": lambda pixels: pixels[:, ::-1],
    "flip_up_down": lambda pixels: pixels[::-1],
}
"""A flip from left to right, and one from top to bottom."""


class Augmentation(Protocol):
    """Each item of the list is a way to augment. Each change that `+` joins in it adds one copy of every image."""

    fields = ("augment",)

    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        return [{} if one == NONE else {"augment": ",".join(split_joined(one))} for one in settings.augment]


def spelt_in_full(settings: Settings, registry: Registry) -> Settings:
    """The settings with the names in `augment` spelt as records spell them. Raises UsageError with a suggestion."""
    called = settings.called("augment")
    return dataclasses.replace(settings, augment=tuple(_in_full(one, registry, called) for one in settings.augment))


def _in_full(joined: str, registry: Registry, called: str) -> str:
    """One way to augment, such as `flip+shift`, with each part spelt in full and none twice. Raises UsageError."""
    items = split_joined(joined)
    if set(items) <= {NONE}:
        return NONE
    if NONE in items:
        others = "+".join(one for one in items if one != NONE)
        raise UsageError(f"{called} {joined}: {NONE} cannot be joined with others; give {NONE},{others} for both")
    return "+".join(dict.fromkeys(one if one in FLIPS else spell(_part(registry, one, called)) for one in items))


def _part(registry: Registry, text: str, called: str) -> Corruption:
    known = {NONE, *FLIPS, *registry.offers(Corruption)}
    if parse(text)[0] not in known:
        raise UsageError(f"{called}: {unknown_name('augmentation', parse(text)[0], known)}")
    return registry.make(Corruption, text)


def augmented(images: Images, trial: Trial, registry: Registry) -> Images:
    """The N images, followed by one changed copy of each for every item of `augment`: N (1 + items) images in all."""
    if not trial.augment:
        return images
    changes = [_change(text, registry) for text in split_list(trial.augment)]

    def every() -> Iterator[NDArray[np.uint8]]:
        yield from images.pixels
        for number, change in enumerate(changes):
            for at, pixels in enumerate(images.pixels):
                yield change(np.array(pixels), np.random.default_rng((trial.seed, _STREAM, number, at)))

    names = [f"{path} {text}" for text in split_list(trial.augment) for path in images.paths]
    shape = (len(images) * (1 + len(changes)), *images.pixels.shape[1:])
    boxes = (
        None if images.boxes is None else [images.boxes, *(_boxes(images, one) for one in split_list(trial.augment))]
    )
    found = stacked(every(), shape)
    return Images(found, (*images.paths, *names), boxes=None if boxes is None else np.concatenate(boxes))


def _boxes(images: Images, text: str) -> NDArray[np.intp]:
    """The boxes (N, 4) that the N copies fill: a flip mirrors them, and a corruption leaves them where they are."""
    assert images.boxes is not None
    height, width = images.pixels.shape[1:3]
    top, left, bottom, right = images.boxes.T
    flipped = {
        "flip": (top, width - right, bottom, width - left),
        "flip_up_down": (height - bottom, left, height - top, right),
    }
    return np.stack(flipped.get(text, (top, left, bottom, right)), axis=1)


def _change(text: str, registry: Registry) -> Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]:
    if text in FLIPS:
        return lambda pixels, random: FLIPS[text](pixels)
    part = registry.make(Corruption, text)

    def change(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        """A changed photo. The severity is drawn, from 1 to that of the part."""
        drawn = int(random.integers(1, part.severity + 1))
        return dataclasses.replace(cast("Any", part), severity=drawn).apply(pixels, random)  # type: ignore[no-any-return]

    return change
