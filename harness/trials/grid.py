"""Crosses the axes into trials, and says which combinations do not fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import NamedTuple

from harness.api import Dataset, Encoder, Loss, Model, Part
from harness.images.framing import PAD, TILES
from harness.plugin.options import nested_parts
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.trials.protocols.axes import calibrated
from harness.trials.trial import UNUSED, Protocol, Trial, named

FLOOR_PRECISION = "fp32"
"""Of all floors, so that runs of any precision share them."""
_LEAST = 32
"""What networks halve at most, where nobody knows it before one is built."""
_MIXED = 100
"""For so many methods the order is such that each part occurs early."""


@dataclass(frozen=True)
class Axes:
    """What is crossed, and the settings that all trials share."""

    dataset: Dataset
    categories: Sequence[str]
    models: Sequence[Model]
    encoders: Sequence[Encoder]
    losses: Sequence[Loss]
    seeds: Sequence[int]
    image_size: int
    epochs: int
    batch_size: int
    learning_rate: float
    holdout: float
    precision: str
    weights: str
    calibrate: str = ""
    """As in Trial."""
    protocols: Sequence[Protocol] = ((),)
    """How images are presented, one way after another; empty is the usual way."""

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules that some of its trials need, and others may."""
        used = {kind for model in self.models for kind in model.uses}
        encoders, losses = (self.encoders if "encoder" in used else ()), (self.losses if "loss" in used else ())
        return tuple(dict.fromkeys(name for part in (*self.models, *encoders, *losses) for name in part.imports))


class Cell(NamedTuple):
    """A trial, and why it cannot be run; an empty reason means that it can."""

    trial: Trial
    reason: str = ""


class _Method(NamedTuple):
    """One model, encoder and loss; axes that the model does not use are `-`."""

    model: str
    encoder: str
    loss: str
    trains: bool
    weights: str
    versions: str
    precision: str
    step: int
    """What sides have to be a multiple of; 0 where that is known only once the encoder is built."""
    whole: bool
    """Whether it scores images as a whole, without maps."""


def plan(axes: Axes) -> Iterator[Cell]:
    """Every trial once: category by category, so that one is decoded once; then seed, then protocol, then method.

    Methods are ordered so that each part occurs early: then what fails, and how long it takes, is known soon.
    """
    dataset = spell(axes.dataset)
    methods = list(_mixed(list(_methods(axes))))
    ways = [
        (protocol, calibrated(protocol, axes.calibrate), method, *_sizes(method, protocol, axes.image_size))
        for protocol, method in product(axes.protocols, methods)
    ]
    for category, seed, (protocol, calibrate, method, image_size, misfit) in product(axes.categories, axes.seeds, ways):
        trial = Trial(
            dataset,
            category,
            method.model,
            method.encoder,
            method.loss,
            seed,
            image_size,
            axes.epochs if method.trains else 0,
            axes.batch_size if method.trains else 0,
            axes.learning_rate if method.trains else 0.0,
            axes.holdout,
            method.precision,
            method.weights,
            method.versions,
            calibrate,
            *protocol,
        )
        yield Cell(trial, misfit)


def _methods(axes: Axes) -> Iterator[_Method]:
    seen = set()
    for model, encoder, loss in product(axes.models, axes.encoders, axes.losses):
        used_encoder = encoder if "encoder" in model.uses else None
        used_loss = loss if "loss" in model.uses else None
        parts: list[Part] = [part for part in (model, used_encoder, used_loss) if part is not None]
        parts += [inner for part in parts for inner in nested_parts(part)]
        pretrained = any(getattr(part, "pretrained", False) for part in parts)
        method = _Method(
            model=spell(model),
            encoder=spell(used_encoder) if used_encoder else UNUSED,
            loss=spell(used_loss) if used_loss else UNUSED,
            trains="training" in model.uses,
            weights=axes.weights if pretrained else UNUSED,
            versions=versions_of(parts),
            precision=FLOOR_PRECISION if model.floor else axes.precision,
            step=(used_encoder.reduction or 0) if used_encoder else 1,
            whole="pool" not in model.uses and not model.floor,
        )
        if method[:3] not in seen:
            seen.add(method[:3])
            yield method


def versions_of(parts: Iterable[Part]) -> str:
    """The parts whose version is above 1, as a trial has them: `dae 2`, joined by commas."""
    return ", ".join(f"{type(part).name} {part.version}" for part in parts if part.version > 1)


def versions_here(trial: Trial, registry: Registry) -> str:
    """What a trial's versions would be with the parts that are installed. Raises UsageError for one that is not."""
    spelt = ((Model, trial.model), (Encoder, trial.encoder), (Loss, trial.loss))
    parts: list[Part] = [registry.make(kind, text) for kind, text in spelt if text != UNUSED]
    return versions_of([*parts, *(inner for part in parts for inner in nested_parts(part))])


def _mixed(methods: list[_Method]) -> Iterable[_Method]:
    """The first _MIXED methods in an order that prefers the parts used least so far; then the others as given."""
    times: Counter[tuple[int, str]] = Counter()
    waiting = dict.fromkeys(methods)
    for _ in methods[:_MIXED]:  # for thousands of methods the search would take too long
        near = islice(waiting, 10 * _MIXED)
        method = min(near, key=lambda one: sum(times[place] for place in enumerate(one[:3])))
        del waiting[method]
        times.update(enumerate(method[:3]))
        yield method
    yield from waiting


def _sizes(method: _Method, protocol: Protocol, asked: int) -> tuple[int, str]:
    """The image size of a method's trials, and why the method cannot take that; empty when it can."""
    special = named(protocol)
    resize, tile = str(special.get("resize", "")), int(special.get("tiles", 0))
    image_size, called = (tile if resize == TILES else asked), f"tiles of {tile} pixels are"
    side, step = tile or image_size, method.step
    if method.whole and resize == PAD:
        return image_size, f"{method.model} scores images as a whole, with what pads them: take another resize"
    if tile and side < (step or _LEAST):
        return image_size, f"{called} smaller than {method.encoder} takes: try {step or _LEAST}"
    if not step or side % step == 0:
        return image_size, ""
    near = max(step, (side + (step - 1) // 2) // step * step)  # whole numbers: sizes may be too large for floats
    what = f"{called} not multiples" if tile else f"image size {image_size} is not a multiple"
    return image_size, f"{what} of {step}, which {method.encoder} needs: try {near}"
