"""Images with nothing on them, masks that mark nothing or everything, and labels of one kind only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.api import Finding, FloatArray, Images, Split

_SPREADS = slice(4, 7)
"""The columns of the statistics that say how far an image's channels spread."""
_MOST = 0.9
"""The share of an image above which a mask marks nearly all of it."""


def contents(split: Split, train: FloatArray, test: FloatArray) -> Iterator[Finding]:
    """What is odd about the images by themselves; the statistics are (N, 10) of training and test images."""
    names = np.array([*split.train.paths, *split.test.paths])
    blank = names[(np.concatenate([train, test])[:, _SPREADS] == 0).all(axis=1)]
    if len(blank):
        sentence = f"{_counted(len(blank), 'image')} of one colour: nothing is to be seen there."
        yield Finding("blank", sentence, grave=True, count=len(blank), examples=tuple(blank[:5].tolist()))
    yield from _labels(split.test)
    if split.test.masks is not None:
        yield from _masks(split.test)


def _labels(test: Images) -> Iterator[Finding]:
    defective = int(test.labels.sum())
    if not len(test):
        yield Finding("labels", "There are no test images: models can be fitted and kept, but not ranked.")
    elif not defective:
        yield Finding("labels", "All test images are normal: false alarms can be counted, misses can not.")
    elif defective == len(test):
        yield Finding("labels", "All test images are defective: misses can be counted, false alarms can not.")


def _masks(test: Images) -> Iterator[Finding]:
    assert test.masks is not None
    marked = np.array([float(np.count_nonzero(mask)) / (mask.size or 1) for mask in test.masks])
    names = np.array(test.paths)
    empty = names[test.labels & (marked == 0)]
    if len(empty):
        every = len(empty) == int(test.labels.sum())
        sentence = f"{_counted(len(empty), 'defective image')} with a mask that marks nothing."
        yield Finding("masks", sentence, every, len(empty), tuple(empty[:5].tolist()))
    full = names[test.labels & (marked > _MOST)]
    if len(full):
        sentence = f"{_counted(len(full), 'mask')} over nearly the whole image: are they inverted?"
        yield Finding("masks", sentence, bool(2 * len(full) > test.labels.sum()), len(full), tuple(full[:5].tolist()))
    wrong = names[~test.labels & (marked > 0)]
    if len(wrong):
        sentence = f"{_counted(len(wrong), 'normal image')} with a mask that marks a defect."
        yield Finding("masks", sentence, grave=True, count=len(wrong), examples=tuple(wrong[:5].tolist()))


def _counted(n: int, what: str) -> str:
    return f"There is 1 {what}" if n == 1 else f"There are {n} {what}s"
