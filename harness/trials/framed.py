"""Any model on images that it could not take as they are: cut into tiles and joined, or padded to a square."""

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
"""Tiles that a model is handed together."""

Pixels = NDArray[np.uint8]
Ask = Callable[[Images], Scores]


def framed(model: Model, trial: Trial) -> Model:
    """The model as a trial asks for it: itself, or one that takes images of any size, as they are read."""
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
    """The model that takes tiles or squares; itself where it is not framed."""
    return model.model if isinstance(model, FramedModel) else model


def alike(images: Images) -> Iterator[tuple[NDArray[np.intp], Images]]:
    """The images without padding, those of one size together, each time with their places among all."""
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
    """Stands for a model that takes squares of one size."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def resolved(self, encoder: Encoder | None) -> Mapping[str, str]:
        return self.model.resolved(encoder)

    def state(self) -> Mapping[str, NDArray[Any]]:
        return self.model.state()


class PaddedModel(FramedModel):
    """Scores images whose longer side is the image size; nothing is told of the padding around them."""

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
    """One that can leave images out of what it has learned."""

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        return self._asked(images, lambda some: self.model.score_left_out(some, without))


class TiledModel(FramedModel):
    """Learns tiles that cover its images, and joins the maps of tiles that overlap, one image after another.

    The score of a model without maps is that of the worst tile.
    """

    def __init__(self, model: Model, tiling: Tiling) -> None:
        super().__init__(model)
        self.tiling = tiling
        self._first: list[int] = [0]
        """Where the tiles of each fitted image begin, and where the last ones end."""

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        learned = Tiling(self.tiling.size, 0)  # what overlaps would only be learned twice
        counts = [len(self._corners(learned, image)) for image in normal.contents()]
        self._first = np.cumsum([0, *counts]).tolist()
        cut = (learned.cut(image, learned.corners(*image.shape[:2])) for image in normal.contents())
        shape = (sum(counts), learned.size, learned.size, normal.pixels.shape[3])
        tiles = stacked((tile for some in cut for tile in some), shape)
        self.model.fit(_unnamed(tiles), encoder=encoder, loss=loss, run=run)

    def score(self, images: Images) -> Scores:
        return _together([self._scored(image, self.model.score) for image in images.pixels])

    def _scored(self, image: Pixels, ask: Ask) -> Scores:
        """One image (h, w, 3). Memory holds a few tiles beside the joined map."""
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
    """One that can leave images out of what it has learned: all tiles of theirs."""

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
    """The maps (N, size, size) of squares. Raises TrainingError for maps of another size, which have no place."""
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
