"""`augment`: a trial is fitted to its training images and to changed copies of them, as flipped, moved or brighter.

Corruptions do the changing, for these are the parts that change a photo and leave the part on it as it is; only flips,
which no light or camera makes, are words of this module. Copies are made for each fit from the images that it is given:
what is held out for limits, or left out by cross-fitting, has no copy among the fitted ones.
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
"""Draws from the seed that no other draw shares."""
FLIPS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "flip": lambda pixels: pixels[:, ::-1],
    "flip_up_down": lambda pixels: pixels[::-1],
}
"""A flip from left to right, and one from top to bottom."""


class Augmentation(Protocol):
    """Each item of the list is a way of its own; what `+` joins in it adds one changed copy of every image each."""

    fields = ("augment",)

    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        return [{} if one == NONE else {"augment": ",".join(split_joined(one))} for one in settings.augment]


def spelt_in_full(settings: Settings, registry: Registry) -> Settings:
    """The settings with what `augment` names spelt as records have it. Raises UsageError, with a suggestion."""
    called = settings.called("augment")
    return dataclasses.replace(settings, augment=tuple(_in_full(one, registry, called) for one in settings.augment))


def _in_full(joined: str, registry: Registry, called: str) -> str:
    """One way to augment, as `flip+shift`, with every part spelt in full and none twice. Raises UsageError."""
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
    """The images (N) as they are, then their changed copies, one of each for every item; N (1 + items) in all."""
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
    """What the copies (N) fill (N, 4) of the canvas: flips mirror it, and what corruptions do stays within."""
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
        """Changed by a severity that is drawn, up to that of the part."""
        drawn = int(random.integers(1, part.severity + 1))
        return dataclasses.replace(cast("Any", part), severity=drawn).apply(pixels, random)  # type: ignore[no-any-return]

    return change
