"""Images that occur twice, or all but twice, where that flatters or spoils a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.api import Finding, FloatArray, Split

_SIDE = 32
_NEAR = 1.0
"""Root of the mean squared difference, in grey levels, below which two images may be one; JPEG's loss is below it."""
_BELOW_USUAL = 0.25
"""And below this share of what images usually differ from the one that is most like them."""
_AT_ONCE = 512


class Pair(NamedTuple):
    """Two images, by index among training and then test images, and how far they are apart in grey levels."""

    one: int
    other: int
    distance: float


def duplicates(split: Split) -> Iterator[Finding]:
    """Pairs that are the same or nearly so: across training and test images and across labels they are grave."""
    small = np.concatenate([small_grey(split.train.contents()), small_grey(split.test.contents())])
    names = [f"{name}" for name in (*split.train.paths, *split.test.paths)]
    defective = np.concatenate([split.train.labels, split.test.labels])
    n_train = len(split.train)
    crossing: dict[int, str] = {}
    contrary: dict[int, str] = {}
    within: dict[int, str] = {}
    in_one_light = small - small.mean(axis=1, keepdims=True)  # a copy may be lighter or darker
    pairs = sorted({(pair.one, pair.other): pair for pair in (*near_pairs(small), *near_pairs(in_one_light))}.values())
    if len(small) > 1 and {pair.other for pair in pairs if pair.one == 0} == {*range(1, len(small))}:
        sentence = f"All {len(small)} images are the same picture: nothing is to be learned from them."
        yield Finding("duplicates", sentence, grave=True, count=len(small))
        return
    for pair in pairs:
        said = f"{names[pair.one]} = {names[pair.other]}"
        if pair.one < n_train <= pair.other:
            crossing.setdefault(pair.other, said)
        elif defective[pair.one] != defective[pair.other]:
            contrary.setdefault(pair.other, said)
        else:
            within.setdefault(pair.other, said)
    yield from _finding(
        crossing,
        "test image is a training image, so it is no test",
        "test images are training images, so they are no test",
    )
    yield from _finding(
        contrary,
        "image is among the normal and among the defective images, so one label is wrong",
        "images are among the normal and among the defective images, so some labels are wrong",
    )
    yield from _finding(
        within,
        "image occurs twice among images of one kind, so it counts twice",
        "images occur twice or more among images of one kind, so they count as often",
        grave=False,
    )


def _finding(copies: Mapping[int, str], one: str, several: str, *, grave: bool = True) -> Iterator[Finding]:
    """Of copies by the index of the later image."""
    if copies:
        n = len(copies)
        sentence = f"{n} {one if n == 1 else several}."
        yield Finding("duplicates", sentence, grave, n, tuple(list(copies.values())[:5]))


def near_pairs(small: FloatArray) -> list[Pair]:
    """Pairs of rows of (N, K) that are far nearer to each other than rows usually are to their nearest neighbour."""
    squares = np.einsum("ij,ij->i", small, small)
    nearest = np.full(len(small), np.inf)
    candidates: list[Pair] = []
    for start in range(0, len(small), _AT_ONCE):
        block, later = small[start : start + _AT_ONCE], small[start:]
        gaps = block @ later.T  # with those before, each row was compared already
        gaps *= -2
        gaps += squares[start : start + _AT_ONCE, None]
        gaps += squares[None, start:]
        np.fill_diagonal(gaps, np.inf)
        of_block, of_later = nearest[start : start + len(block)], nearest[start:]
        np.minimum(of_block, gaps.min(axis=1, initial=np.inf), out=of_block)
        np.minimum(of_later, gaps.min(axis=0, initial=np.inf), out=of_later)
        rows, columns = np.nonzero(gaps < _NEAR**2 * small.shape[1])
        for row, column in zip((rows + start).tolist(), (columns + start).tolist(), strict=True):
            if row < column:
                distance = np.sqrt(np.square(small[row] - small[column], dtype=np.float64).mean())
                candidates.append(Pair(row, column, float(distance)))
    usual = np.sqrt(np.median(np.maximum(nearest, 0)) / small.shape[1]) if len(small) > 2 else np.inf
    return [pair for pair in candidates if pair.distance <= _BELOW_USUAL * usual]


def groups(pixels: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.intp]:
    """N images (H, W, 3) to a number each (N,), the same for those that are the same image or nearly so."""
    group = np.arange(len(pixels))
    for pair in near_pairs(small_grey(pixels)):
        group[group == group[pair.other]] = group[pair.one]
    return np.unique(group, return_inverse=True)[1].reshape(-1)


def small_grey(pixels: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.float32]:
    """N images (H, W, 3) to (N, 1024): grey, averaged over cells."""
    from PIL import Image

    found = np.empty((len(pixels), _SIDE * _SIDE), dtype=np.float32)

    def shrink(index: int) -> None:
        grey = Image.fromarray(np.ascontiguousarray(pixels[index])).convert("L")
        found[index] = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float32).reshape(-1)

    with ThreadPoolExecutor(2) as pool:  # Pillow releases the GIL
        list(pool.map(shrink, range(len(pixels))))
    return found
