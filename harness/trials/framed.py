"""Lets a model that takes squares of one size work on other images: they are cut into tiles, or padded to a square."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import Encoder, FloatArray, Images, Loss, Model, Run, Scores
from harness.errors import DataError, TrainingError
from harness.images.framing import PAD, Box, box_of, padded
from harness.images.tiles import Corner, Joined, Tiling, batches
from harness.trials.handed import handed
from harness.trials.subsets import stacked
from harness.trials.trial import Trial

_AT_A_TIME = 16
"""How many tiles a model is given at once."""

Pixels = NDArray[np.uint8]
Ask = Callable[[Images], Scores]


def framed(model: Model, trial: Trial) -> Model:
    """The model itself, or wrapped so that it takes images of any size, if the trial asks for tiles or padding."""
    if not trial.tiles and trial.resize != PAD:
        return model
    said = {name: getattr(model, name) for name in ("name", "uses", "default_pool", "floor", "version")}
    leaves_out = type(model).score_left_out is not Model.score_left_out
    if trial.tiles:
        kind: Any = type(type(model).__name__, (_TiledLeavingOut if leaves_out else TiledModel,), said)
        return kind(model, Tiling(trial.tiles, trial.overlap))  # type: ignore[no-any-return]
    kind = type(type(model).__name__, (_PaddedLeavingOut if leaves_out else PaddedModel,), said)
    return kind(model, trial.image_size)  # type: ignore[no-any-return]


def unframed(model: Model) -> Model:
    """The model inside the wrapper; the model itself if it has none."""
    return model.model if isinstance(model, FramedModel) else model


def alike(images: Images) -> Iterator[tuple[NDArray[np.intp], Images]]:
    """Groups of images of one size, without their padding, each with the places of its images among all."""
    if images.boxes is None:
        yield np.arange(len(images)), images
        return
    boxes, groups = np.unique(images.boxes, axis=0, return_inverse=True)
    for number, box in enumerate(boxes.tolist()):
        at = np.flatnonzero(groups.reshape(-1) == number)
        some, (down, across) = images.take(at), Box(*box).place
        masks = None if some.masks is None else some.masks[:, down, across]
        yield at, Images(some.pixels[:, down, across], some.paths, some.defects, masks, some.facts)


class FramedModel(Model):
    """A wrapper around a model that takes squares of one size."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def resolved(self, encoder: Encoder | None) -> Mapping[str, str]:
        return self.model.resolved(encoder)

    def state(self) -> Mapping[str, NDArray[Any]]:
        return self.model.state()


class PaddedModel(FramedModel):
    """Pads images whose longer side is the image size to squares. Its maps and scores leave the padding out."""

    def __init__(self, model: Model, size: int) -> None:
        super().__init__(model)
        self.size = size

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        self.model.fit(handed(normal), encoder=encoder, loss=loss, run=run)

    def score(self, images: Images) -> Scores:
        return self._asked(images, self.model.score)

    def _asked(self, images: Images, ask: Ask) -> Scores:
        height, width = images.pixels.shape[1:3]
        found = ask(handed(Images(padded(images.pixels, self.size), images.paths)))
        if found.maps is None:
            return found
        box = box_of(height, width, (self.size, self.size), PAD)
        return Scores(_of_size(self.model, found.maps, self.size)[:, box.top : box.bottom, box.left : box.right])


class _PaddedLeavingOut(PaddedModel):
    """The same for a model that can leave images out of what it has learned."""

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        return self._asked(images, lambda some: self.model.score_left_out(some, without))


class TiledModel(FramedModel):
    """Learns tiles that cover the images, and scores an image by joining the maps of overlapping tiles.

    A model without maps gives an image the highest score of its tiles.
    """

    def __init__(self, model: Model, tiling: Tiling) -> None:
        super().__init__(model)
        self.tiling = tiling
        self._first: list[int] = [0]
        """The number of each fitted image's first tile among all tiles, and at the end the number of all tiles."""

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        learned = Tiling(self.tiling.size, 0)  # overlapping tiles would only teach the same pixels twice
        counts = [len(self._corners(learned, image)) for image in normal.contents()]
        self._first = np.cumsum([0, *counts]).tolist()
        cut = (learned.cut(image, learned.corners(*image.shape[:2])) for image in normal.contents())
        shape = (sum(counts), learned.size, learned.size, normal.pixels.shape[3])
        tiles = stacked((tile for some in cut for tile in some), shape)
        self.model.fit(_unnamed(tiles), encoder=encoder, loss=loss, run=run)

    def score(self, images: Images) -> Scores:
        return _together([self._scored(image, self.model.score) for image in images.pixels])

    def _scored(self, image: Pixels, ask: Ask) -> Scores:
        """The scores of one image (h, w, 3). Memory holds only a few tiles beside the joined map."""
        height, width = image.shape[:2]
        corners = self._corners(self.tiling, image)
        whole: Joined | None = None
        worst = []
        for some in batches(corners, _AT_A_TIME):
            found = ask(_unnamed(self.tiling.cut(image, some)))
            if found.maps is not None:
                whole = whole or Joined(self.tiling, height, width)
                for corner, tile in zip(some, _of_size(self.model, found.maps, self.tiling.size), strict=True):
                    whole.add(corner, tile)
            if found.images is not None:
                worst.append(np.max(found.images))
        return Scores(None if whole is None else whole.map[None], np.array([max(worst)]) if worst else None)

    def _corners(self, tiling: Tiling, image: Pixels) -> list[Corner]:
        height, width = image.shape[:2]
        if min(height, width) < tiling.size:
            raise DataError(
                f"an image of {width}x{height} is smaller than a tile of {tiling.size}: take tiles of at most "
                f"{min(height, width)}"
            )
        return tiling.corners(height, width)


class _TiledLeavingOut(TiledModel):
    """The same for a model that can leave images out of what it has learned, with all their tiles."""

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        spans = [np.arange(*span) for span in pairwise(self._first)]
        found = []
        for image, left_out in zip(images.pixels, without, strict=True):
            tiles = np.concatenate([spans[at] for at in left_out.tolist()] or [np.empty(0, np.intp)])

            def ask(some: Images, tiles: NDArray[np.intp] = tiles) -> Scores:
                return self.model.score_left_out(some, [tiles] * len(some))

            found.append(self._scored(image, ask))
        return _together(found)


def _unnamed(pixels: Pixels) -> Images:
    return handed(Images(pixels, ("",) * len(pixels)))


def _of_size(model: Model, maps: FloatArray, size: int) -> FloatArray:
    """The maps (N, size, size) of squares. Raises TrainingError for maps of another size, which cannot be joined."""
    maps = np.asarray(maps)
    if maps.shape[1:] != (size, size):
        raise TrainingError(
            f"{model.name} gave maps of shape {maps.shape[1:]} for images of {size}x{size}: to be joined they have to "
            "be as large as the images"
        )
    return maps


def _together(found: Sequence[Scores]) -> Scores:
    maps = [one.maps for one in found if one.maps is not None]
    images = [one.images for one in found if one.images is not None]
    return Scores(np.concatenate(maps) if maps else None, np.concatenate(images) if images else None)
