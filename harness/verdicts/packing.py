"""The scores behind exported verdicts as short text, and back: each score to its last bit."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np

from harness.api import FloatArray
from harness.api.corruptions import SEVERITIES
from harness.trials import typed
from harness.trials.trial import Evidence

CORRUPTED = "corrupted"
Packed = Mapping[str, Any]
"""What an export holds of the scores of one trial and pool: `defects`, `normal` and `test`."""

MOST_IMAGES = 1_000_000
_SMALL, _DENSEST = 65_536, 64
"""Text that would grow to more bytes than _SMALL may grow by this factor: scores do by 2 to 8, a bomb by 1,000."""
_TYPES = ("f4", "f8")


def packed(evidence: Evidence, pool: str) -> Packed:
    """The scores of one pool, and the defect kinds of the test images as runs: `[["good", 20], ["crack", 13]]`."""
    runs = [[kind, len(list(run))] for kind, run in groupby(evidence.defects)]
    told = {"defects": runs, "normal": _text(evidence.normal[pool]), "test": _text(evidence.test[pool])}
    changed = {name: _text(by_pool[pool].ravel()) for name, by_pool in evidence.corrupted.items() if pool in by_pool}
    return {**told, CORRUPTED: changed} if changed else told


def unpacked(value: Any, pool: str) -> Evidence:
    """The evidence again, of this pool alone and without the names of images. Raises ValueError."""
    if not isinstance(value, dict) or not {"defects", "normal", "test"} <= value.keys():
        raise ValueError(f"evidence is {value!r:.60}, expected defects, normal and test")
    defects = _defects(value["defects"])
    normal, test = (_scores(value[name], name) for name in ("normal", "test"))
    if len(test) != len(defects):
        raise ValueError(f"evidence has {len(test)} scores of {len(defects)} test images")
    evidence = Evidence({pool: normal}, {pool: test}, defects, ("",) * len(defects))
    return replace(evidence, corrupted=_corrupted(value.get(CORRUPTED, {}), pool, len(test)))


def _corrupted(value: Any, pool: str, images: int) -> dict[str, dict[str, FloatArray]]:
    """Corruption to pool to scores (S, N). Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"evidence: {CORRUPTED} is {value!r:.60}, expected scores by corruption")
    found = {}
    for name, told in value.items():
        scores = _scores(told, f"{CORRUPTED} {name!r:.60}")
        if len(scores) != len(SEVERITIES) * images:
            raise ValueError(f"evidence: {CORRUPTED} {name!r:.60} has {len(scores)} scores of {images} test images")
        found[name] = {pool: scores.reshape(len(SEVERITIES), images)}
    return found


def _text(scores: FloatArray) -> dict[str, Any]:
    """Numbers of half the size where they lose nothing by it; their first bytes, which are alike, come first."""
    wide = np.ascontiguousarray(scores, "<f8")
    with np.errstate(over="ignore"):
        narrow = wide.astype("<f4")
    exact = np.array_equal(narrow.astype("<f8"), wide)
    array = narrow if exact else wide
    columns = np.frombuffer(array.tobytes(), np.uint8).reshape(len(array), array.itemsize).T
    data = base64.b64encode(zlib.compress(columns.tobytes(), 9)).decode("ascii")
    return {"n": len(array), "type": _TYPES[not exact], "zlib": data}


def _scores(value: Any, name: str) -> FloatArray:
    """(N,) scores, which may have any value. Raises ValueError."""
    if not isinstance(value, dict) or value.get("type") not in _TYPES or not isinstance(value.get("zlib"), str):
        raise ValueError(f"evidence: {name} is {value!r:.60}, expected n, type and zlib")
    n, text = typed.read(value.get("n"), int, f"evidence: {name}: n"), value["zlib"]
    width = int(value["type"][1])
    if not 0 <= n <= MOST_IMAGES or n * width > max(_SMALL, _DENSEST * len(text)):
        raise ValueError(f"evidence: {name} has {n} scores in {len(text)} letters, which is no export's")
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(base64.b64decode(text, validate=True), n * width + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"evidence: {name} is damaged: {error}") from error
    if len(data) != n * width or not reader.eof or reader.unused_data:
        raise ValueError(f"evidence: {name} is damaged: it does not hold {n} scores")
    columns = np.frombuffer(data, np.uint8).reshape(width, n)
    return np.ascontiguousarray(columns.T).view(f"<{value['type']}").reshape(n).astype(np.float64)


def _defects(runs: Any) -> tuple[str, ...]:
    if not isinstance(runs, list) or not all(_is_run(run) for run in runs):
        raise ValueError(f"evidence: defects is {runs!r:.60}, expected runs such as ['good', 20]")
    if sum(n for _, n in runs) > MOST_IMAGES:
        raise ValueError(f"evidence: defects are of more than {MOST_IMAGES} images")
    return tuple(kind for kind, n in runs for _ in range(n))


def _is_run(run: Sequence[Any]) -> bool:
    return isinstance(run, list) and len(run) == 2 and type(run[0]) is str and type(run[1]) is int and run[1] > 0
