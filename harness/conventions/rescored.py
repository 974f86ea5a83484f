"""What takes error maps: a kept model scores the test images once more, and all conventions judge the same maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from harness.api import BoolArray, FloatArray, Images, Pool, Ranking, Region
from harness.conventions import choices
from harness.conventions.choices import Convention, Figures
from harness.conventions.stored import pixel_figures
from harness.deployment.detector import Detector
from harness.metrics.pixel import PixelMetrics, Regions
from harness.plugin.spec import spell
from harness.trials import hardware
from harness.trials.scoring import chunks, pool_scores

CENTRE = 224 / 256
SIGMA = 4.0
_SCORED = ("auroc", "average_precision")


def cropped(stack: NDArray[np.generic]) -> NDArray[np.generic]:
    """The centre of each (N, H, W), 7/8 of its height and width, as a crop of 224 pixels is of 256."""
    height, width = (round(size * CENTRE) for size in stack.shape[1:])
    top, left = (stack.shape[1] - height) // 2, (stack.shape[2] - width) // 2
    return stack[:, top : top + height, left : left + width]


def enlarged(maps: FloatArray, size: int) -> FloatArray:
    """Maps (N, H, W) to (N, size, size), bilinear."""
    return np.stack(
        [
            np.asarray(Pillow.fromarray(one.astype(np.float32)).resize((size, size), Pillow.Resampling.BILINEAR))
            for one in maps
        ]
    )


def smoothed(maps: FloatArray) -> FloatArray:
    """Maps (N, H, W) under scipy's Gaussian filter of 4 pixels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(maps.astype(np.float32), (0, SIGMA, SIGMA)))


def covered(masks: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """How much of each pixel masks of the files' size mark, 0 to 255: (N, H, W) of 0 and 1 to (N, size, size)."""
    return np.stack(
        [np.asarray(Pillow.fromarray(one * 255).resize((size, size), Pillow.Resampling.BILINEAR)) for one in masks]
    )


@dataclass
class _Bench:
    """Takes in maps and masks under one convention, and tells the figures."""

    convention: Convention
    pool: Pool | None
    """Turns maps into image scores; None where the convention leaves these as they are."""
    pixels: PixelMetrics
    scores: list[FloatArray] = field(default_factory=list)

    @classmethod
    def of(cls, convention: Convention, pool: Pool | None = None, regions: Regions | None = None) -> _Bench:
        return cls(convention, pool, PixelMetrics(regions=regions or Regions()))

    def add(
        self,
        maps: FloatArray,
        masks: NDArray[np.generic] | None,
        regions: Sequence[Sequence[Region]] | None = None,
    ) -> None:
        if masks is not None:
            self.pixels.update(maps, masks, regions=regions)
        if self.pool is not None:
            self.scores.append(np.asarray(self.pool.score(maps), dtype=np.float64))

    def figures(self, labels: BoolArray, with_pixels: bool) -> Figures:
        found: dict[str, float] = {}
        if self.pool is not None:
            ranking = Ranking(np.concatenate(self.scores), labels)
            found.update({name: getattr(ranking, name)() for name in _SCORED})
        if with_pixels:
            found.update(pixel_figures(self.pixels.counts()))
        if self.convention in (choices.FOUR, choices.HALF_FOUND, choices.AS_STATED):
            found = {name: value for name, value in found.items() if name == choices.AUPRO}
        return found


@dataclass(frozen=True)
class Rescored:
    """What the conventions that take error maps come to for one trial."""

    found: Sequence[tuple[Convention, Figures]]
    furthest: float
    """How far an image score is from the stored one, at most, as a share of the range of the stored ones."""
    unsaid: Sequence[str] = ()
    """What could not be told of this trial, and why."""


class Shown(NamedTuple):
    """The test images of a category, as they were scored and as the data set has them."""

    test: Images
    files: Images | None
    """The same images at the size of their files, for their masks; None where that is the model's own."""
    regions: Sequence[Sequence[Region]] | None
    """The defects of each apart, where the data set says how much of them must be found."""
    unsaid: Sequence[str] = ()
    """Why the defects could not be had apart, where the data set should say it."""


def rescored(detector: Detector, pool: Pool | None, shown: Shown, stored: FloatArray) -> Rescored:
    """Judge the maps that a kept model makes of the test images (N) under each convention, pooled by this pool.

    Stored scores (N,) tell whether the model is the one that was judged. Raises TrainingError, ModelError.
    """
    test, files, regions, unsaid = shown
    has_masks = test.masks is not None and bool(test.masks.any())
    benches = _benches(pool, files is not None and has_masks)
    stated = _Bench.of(choices.AS_STATED)
    seen: list[FloatArray] = []
    pools = {} if pool is None else {spell(pool): pool}
    with hardware.limited_to(detector.saved.threads):
        for at in chunks(test.pixels):
            by_pool, maps = pool_scores(detector.model, test.take(at), pools)
            seen += by_pool.values()
            if maps is None:
                return Rescored((), 0.0, (f"{detector.saved.trial.model} makes no error maps",))
            masks = test.masks[at] if has_masks and test.masks is not None else None
            larger = files.masks[at] if masks is not None and files is not None and files.masks is not None else None
            for bench, seen_as, marked in _views(benches, maps, masks, larger):
                bench.add(seen_as, marked)
            if masks is not None and regions is not None:
                stated.add(maps, masks, regions[at])
    apart = np.abs(np.concatenate(seen) - stored).max() / (np.ptp(stored) or 1.0)
    every = [*benches.values(), *([stated] if has_masks and regions is not None else [])]
    found = [(bench.convention, bench.figures(test.labels, has_masks)) for bench in every]
    return Rescored([(convention, figures) for convention, figures in found if figures], float(apart), unsaid)


def _benches(pool: Pool | None, larger: bool) -> dict[Convention, _Bench]:
    every = [
        _Bench.of(choices.FOUR, regions=Regions(connectivity=4)),
        _Bench.of(choices.HALF_FOUND, regions=Regions(saturation=0.5)),
        _Bench.of(choices.CROPPED, pool),
        _Bench.of(choices.SMOOTHED, pool),
    ]
    if larger:
        every += [_Bench.of(choices.ANY_PART), _Bench.of(choices.HALF), _Bench.of(choices.FILE_SIZE, pool)]
    return {bench.convention: bench for bench in every}


def _views(
    benches: dict[Convention, _Bench],
    maps: FloatArray,
    masks: NDArray[np.uint8] | None,
    larger: NDArray[np.uint8] | None,
) -> Iterator[tuple[_Bench, FloatArray, NDArray[np.generic] | None]]:
    """Maps and masks as each convention has them."""
    for convention in (choices.FOUR, choices.HALF_FOUND):
        yield benches[convention], maps, masks
    yield benches[choices.CROPPED], cropped(maps), None if masks is None else cropped(masks)  # type: ignore[misc]
    yield benches[choices.SMOOTHED], smoothed(maps), masks
    if larger is not None:
        share = covered(larger, maps.shape[1])
        yield benches[choices.ANY_PART], maps, share > 0
        yield benches[choices.HALF], maps, share >= 128
        yield benches[choices.FILE_SIZE], enlarged(maps, larger.shape[1]), larger
