"""The values that are passed between parts and the harness: images with masks, the settings of a fit, scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

GOOD = "good"
"""The defect kind of an image that has none."""


@dataclass(frozen=True)
class Archive:
    """A file on a web server that holds a data set, and that can be had without a form."""

    url: str
    sha256: str
    size: int = 0
    """In bytes; 0 where it is not known."""


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about the images of a category before trusting results on them."""

    name: str
    """Its name in lower case, such as `duplicates` or `shortcut`."""
    sentence: str
    """One sentence for a person."""
    grave: bool = False
    """Whether results on these images may be misleading."""
    count: int = 0
    """The number of files or images that it is about; 0 if it is about all of them."""
    examples: tuple[str, ...] = ()
    """The names of some of them."""


@dataclass(frozen=True)
class Images:
    """Images of one size, and what is known about each. `pixels` and `masks` may be memory-mapped."""

    pixels: NDArray[np.uint8]
    """(N, H, W, 3), RGB, 0 to 255."""
    paths: tuple[str, ...]
    """N different names, which are paths relative to the category's folder, with forward slashes."""
    defects: tuple[str, ...] = ()
    """N defect kinds, `good` for a normal image. If it is empty, all images are good."""
    masks: NDArray[np.uint8] | None = None
    """(N, H, W), 1 at defective pixels and 0 elsewhere; None if the data set has no masks."""
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict, compare=False, repr=False)
    """What the files tell about each image beside its pixels: a name, such as `width`, to (N,) numbers or texts."""
    boxes: NDArray[np.intp] | None = field(default=None, compare=False)
    """(N, 4): top, left, bottom and right of what each image fills, where others are padding; None: it fills all."""

    def __post_init__(self) -> None:
        if not self.defects:
            object.__setattr__(self, "defects", (GOOD,) * len(self.pixels))

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def labels(self) -> BoolArray:
        """(N,), True for an anomalous image."""
        return np.array([kind != GOOD for kind in self.defects], dtype=bool)

    def contents(self) -> list[NDArray[np.uint8]]:
        """The pixels (h, w, 3) of each image without its padding; nothing is copied."""
        if self.boxes is None:
            return list(self.pixels)
        boxes = zip(self.pixels, self.boxes.tolist(), strict=True)
        return [pixels[top:bottom, left:right] for pixels, (top, left, bottom, right) in boxes]

    def take(self, chosen: slice | NDArray[np.intp]) -> Images:
        """The images at a slice or at these indices, in that order. A slice does not copy pixels."""
        at = range(len(self))[chosen] if isinstance(chosen, slice) else [int(i) for i in chosen]
        return Images(
            pixels=self.pixels[chosen],
            paths=tuple(self.paths[i] for i in at),
            defects=tuple(self.defects[i] for i in at),
            masks=None if self.masks is None else self.masks[chosen],
            facts={name: values[chosen] for name, values in self.facts.items()},
            boxes=None if self.boxes is None else self.boxes[chosen],
        )


class Region(NamedTuple):
    """One defect of an image that was annotated by itself, and how much of it must be found."""

    mask: BoolArray
    """(H, W), True where it is."""
    enough: float
    """So many of its pixels found count as all of it; above 0. More than it has mean all."""


@dataclass(frozen=True)
class Split:
    """One category: normal images for fitting, and labelled images for testing."""

    train: Images
    test: Images
    incomplete: str = ""
    """How the numbers of images differ from official ones; empty if they do not, or if there are none."""
    sizes: tuple[str, ...] = ()
    """The sizes of the original images, such as `900x900`, the most frequent first."""
    modes: tuple[str, ...] = ()
    """The pixel modes of the original files in Pillow's words (RGB, L, I;16), the most frequent first."""
    source_hash: str = ""
    """A hash of the original content, if the data set knows one; otherwise the pixels are hashed."""
    findings: tuple[Finding, ...] = ()
    """What was noticed while the files were read."""
    depth: int = 16
    """How many bits are used in 16-bit grey images, as found over the training images."""
    calibration: Images | None = None
    """Normal images of a validation split. They are used to set limits, and neither for fitting nor for testing."""

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change whenever an image, mask, name or label changes."""
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
    """A step of a fit, reported by the model."""

    epoch: int
    """From 1."""
    epochs: int
    loss: float
    """The mean training loss of this epoch so far."""
    images: int
    """The number of training images since the last report."""
    epoch_done: bool = True


def _silent(progress: Progress) -> None:
    """Ignore the report."""


@dataclass(frozen=True)
class Run:
    """The settings of one fit, and where it runs."""

    seed: int = 0
    image_size: int = 256
    """Height and width in pixels."""
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-4
    precision: Literal["fp32", "bf16"] = "fp32"
    """The precision of training. Scores are always computed in float32."""
    device: str = "cpu"
    """The name of the device in torch, such as `cuda:1`."""
    weights: Literal["pretrained", "random"] = "pretrained"
    weights_dir: Path | None = None
    """The folder of `<timm name>.safetensors` files; None downloads from timm's hub."""
    report: Callable[[Progress], None] = field(default=_silent, compare=False, repr=False)
    """Models that train in epochs call this at least once an epoch."""


@dataclass(frozen=True)
class Scores:
    """Scores of images; higher is more anomalous. At least one of the two must be given."""

    maps: FloatArray | None = None
    """(N, H, W), a score for each pixel."""
    images: FloatArray | None = None
    """(N,), from a model whose image scores are not computed from maps by a pool."""
