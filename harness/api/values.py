"""The values that pass between parts and the harness: images and their masks, a fit's settings, scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

GOOD = "good"
"""The defect kind of an image that has none."""


@dataclass(frozen=True)
class Finding:
    """Something about the images of a category that a person should know before trusting a number made of them."""

    name: str
    """What it is called, in lower case: `duplicates`, `shortcut`."""
    sentence: str
    """One sentence for a person."""
    grave: bool = False
    """Whether numbers made of these images may mean something else than they say."""
    count: int = 0
    """Of the files or images it is about; 0 where it is about all."""
    examples: tuple[str, ...] = ()
    """Names of some of these."""


@dataclass(frozen=True)
class Images:
    """Images of one size with what is known of each; `pixels` and `masks` may be memory-mapped."""

    pixels: NDArray[np.uint8]
    """(N, H, W, 3), RGB, 0 to 255."""
    paths: tuple[str, ...]
    """N names, unique, relative to the category's folder, with forward slashes."""
    defects: tuple[str, ...] = ()
    """N defect kinds, `good` for a normal image; empty means that all are good."""
    masks: NDArray[np.uint8] | None = None
    """(N, H, W), 1 where the image is defective and 0 elsewhere; None where the data set has no masks."""
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict, compare=False, repr=False)
    """What the files say of each image beside its pixels: names such as `width`, and (N,) numbers or texts each."""

    def __post_init__(self) -> None:
        if not self.defects:
            object.__setattr__(self, "defects", (GOOD,) * len(self.pixels))

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def labels(self) -> BoolArray:
        """(N,), True for an anomalous image."""
        return np.array([kind != GOOD for kind in self.defects], dtype=bool)

    def take(self, chosen: slice | NDArray[np.intp]) -> Images:
        """The images at a slice or at indices, in that order; a slice copies no pixels."""
        at = range(len(self))[chosen] if isinstance(chosen, slice) else [int(i) for i in chosen]
        return Images(
            pixels=self.pixels[chosen],
            paths=tuple(self.paths[i] for i in at),
            defects=tuple(self.defects[i] for i in at),
            masks=None if self.masks is None else self.masks[chosen],
            facts={name: values[chosen] for name, values in self.facts.items()},
        )


@dataclass(frozen=True)
class Split:
    """One category: normal images to fit on, and labelled ones to test on."""

    train: Images
    test: Images
    incomplete: str = ""
    """How the category differs from its official counts; empty when it does not, or when there are none."""
    sizes: tuple[str, ...] = ()
    """The sizes of the source's own images, as `900x900`, most frequent first."""
    modes: tuple[str, ...] = ()
    """How their files hold pixels, as Pillow calls it (RGB, L, I;16), most frequent first."""
    source_hash: str = ""
    """A hash of the source's content, from a data set that knows it; else the pixels are hashed."""
    findings: tuple[Finding, ...] = ()
    """What was noticed about the files as they were read."""
    depth: int = 16
    """Bits in use in its 16-bit grey images, as found over the training images."""
    calibration: Images | None = None
    """Normal images that the source sets apart for limits (a validation split), neither fitted nor tested on."""

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when any image, mask, name or label does."""
        digest = hashlib.sha256(self.source_hash.encode())
        kept_apart = [] if self.calibration is None else [self.calibration]
        for images in (self.train, self.test, *kept_apart):  # without any, as it was before there were some
            digest.update(repr((len(images), images.paths, images.defects)).encode())
            if not self.source_hash:
                for start in range(0, len(images), 64):  # a data set larger than memory passes through
                    digest.update(np.ascontiguousarray(images.pixels[start : start + 64]).data)
                    if images.masks is not None:
                        digest.update(np.ascontiguousarray(images.masks[start : start + 64]).data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Progress:
    """One step of a fit, as a model reports it."""

    epoch: int
    """From 1."""
    epochs: int
    loss: float
    """Mean training loss of this epoch so far."""
    images: int
    """Training images seen since the last report."""
    epoch_done: bool = True


def _silent(progress: Progress) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Run:
    """What one fit is asked to do, and where."""

    seed: int = 0
    image_size: int = 256
    """Height and width in pixels."""
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-4
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of training; scores are always made in float32."""
    device: str = "cpu"
    """As torch spells it."""
    weights: Literal["pretrained", "random"] = "pretrained"
    weights_dir: Path | None = None
    """Where `<timm name>.safetensors` files lie; None asks timm's hub."""
    report: Callable[[Progress], None] = field(default=_silent, compare=False, repr=False)
    """To be called once an epoch or more often, by models that train in epochs."""


@dataclass(frozen=True)
class Scores:
    """How anomalous images are, higher is more; at least one of the two is given."""

    maps: FloatArray | None = None
    """(N, H, W), the error at each pixel."""
    images: FloatArray | None = None
    """(N,), for a model whose image score is not a pool of its map."""
