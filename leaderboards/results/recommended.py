"""What `harness recommend` says of a few photos, beside the truth on the photos that it never saw.

    python recommended.py weights /data/hazelnut_toy /data/mvtec_ad/bottle /data/mvtec_ad/pill > recommended.md

Of each category, which is laid out as MVTec AD is, some good and bad photos are drawn by a seed and made a flat folder:
good/ and bad/<defect>/. The detector that is recommended for them then judges all other photos of the category. It has
EfficientNet-Lite0's weights, from the folder `weights`, and three minutes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import harness
from harness.deployment.kept import LoadedModel
from harness.verdicts.choosing import Count

GOOD, BAD = 40, 15
"""Photos that a quality engineer has at hand; where a category has few, two thirds and a half of them."""
MINUTES = 3
SEEDS = (0, 1)
HEADING = (
    "category, seed",
    "recommended",
    "false alarms, as said",
    "misses, as said",
    "false alarms on the rest",
    "misses on the rest",
    "rates on the rest within the bounds",
)


def drawn(files: Sequence[Path], wanted: int, seed: int) -> tuple[list[Path], list[Path]]:
    """So many of the files, by chance, and the rest."""
    order = np.random.default_rng(seed).permutation(len(files))
    return [files[at] for at in order[:wanted]], [files[at] for at in order[wanted:]]


def wrong_of(detector: LoadedModel, files: Sequence[Path], *, bad: bool) -> int:
    """How many of these photos it judges wrongly."""
    found = detector.predict(files)
    return sum((one.decision == "anomalous") != bad for one in found)


def row(category: Path, weights: Path, seed: int, place: Path) -> str:
    """One draw: what is said, and what is true."""
    good = sorted(category.glob("train/good/*.*")) + sorted(category.glob("test/good/*.*"))
    bad = sorted(file for file in category.glob("test/*/*.*") if file.parent.name != "good")
    some, others = drawn(good, min(GOOD, 2 * len(good) // 3), seed)
    bad_some, bad_others = drawn(bad, min(BAD, len(bad) // 2), seed)
    for at, file in enumerate((*some, *bad_some)):
        target = place / "good" if file in some else place / "bad" / file.parent.name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target / f"{at:04}{file.suffix}")
    store = place.parent / "runs"
    answer = harness.recommend(place, minutes=MINUTES, weights_dir=weights, store=store, quiet=True, seeds=[seed])
    detector = harness.load(answer.kept)
    alarms, misses = answer.choice.false_alarms, answer.choice.misses
    assert misses is not None
    false, missed = wrong_of(detector, others, bad=False), wrong_of(detector, bad_others, bad=True)
    cells = [
        f"{category.name}, {seed}",
        f"{answer.name}, limit for {100 * answer.choice.promise.share:g} %",
        *(f"{one.wrong} of {one.of}, at most {100 * one.at_most:.0f} %" for one in (alarms, misses)),
        f"{false} of {len(others)}, {100 * false / len(others):.1f} %",
        f"{missed} of {len(bad_others)}, {100 * missed / len(bad_others):.1f} %",
        "both" if _holds(alarms, false, len(others)) and _holds(misses, missed, len(bad_others)) else "not both",
    ]
    return f"| {' | '.join(cells)} |"


def _holds(said: Count, wrong: int, of: int) -> bool:
    """Whether the bound that was said is at least the rate that was found later."""
    return wrong / of <= said.at_most


def main(weights: str, *categories: str) -> None:
    """A line a category and seed, as they come."""
    print(f"| {' | '.join(HEADING)} |")
    print("|---" * len(HEADING) + "|")
    for category in map(Path, categories):
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                print(row(category, Path(weights), seed, Path(folder) / category.name), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
