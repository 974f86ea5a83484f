"""What `harness recommend` says of a few photos, beside the truth on the photos that it never saw.

    python recommended.py weights 0,1 256 3 /data/hazelnut_toy /data/mvtec_ad/bottle > recommended.md

Of each category, which is laid out as MVTec AD is, some good and bad photos are drawn by a seed and made a flat folder:
good/ and bad/<defect>/. The detector that is recommended for them then judges all other photos of the category. It has
EfficientNet-Lite0's weights, from the folder `weights`. Seeds, image size and minutes stand before the categories.
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
from harness.verdicts.choosing import Choice, Count

GOOD, BAD = 40, 15
"""Photos that a quality engineer has at hand; where a category has few, two thirds and a half of them."""
HEADING = (
    "category, seed",
    "recommended, of how many that were tried",
    "limit",
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


def row(category: Path, weights: Path, seed: int, size: int, minutes: float, place: Path) -> str:
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
    how = {"image_size": size, "weights_dir": weights, "store": store, "quiet": True, "seeds": [seed]}
    answer = harness.recommend(place, minutes=minutes, **how)
    detector = harness.load(answer.kept)
    alarms, misses = answer.choice.false_alarms, answer.choice.misses
    assert misses is not None
    false, missed = wrong_of(detector, others, bad=False), wrong_of(detector, bad_others, bad=True)
    cells = [
        f"{category.name}, {seed}",
        f"{answer.name}, of {len({one.name.partition(' (')[0] for one in answer.tried if not one.reason})}",
        _limit(answer.choice),
        *(f"{one.wrong} of {one.of}, at most {100 * one.at_most:.0f} %" for one in (alarms, misses)),
        f"{false} of {len(others)}, {100 * false / len(others):.1f} %",
        f"{missed} of {len(bad_others)}, {100 * missed / len(bad_others):.1f} %",
        "both" if _holds(alarms, false, len(others)) and _holds(misses, missed, len(bad_others)) else "not both",
    ]
    return f"| {' | '.join(cells)} |"


def _limit(choice: Choice) -> str:
    """What it is set for, the choosing counted in."""
    if choice.enough:
        return f"for {100 * choice.promise.share:g} %"
    return f"the highest score, about {100 * choice.share:.0f} %"


def _holds(said: Count, wrong: int, of: int) -> bool:
    """Whether the bound that was said is at least the rate that was found later."""
    return wrong / of <= said.at_most


def main(weights: str, seeds: str, size: str, minutes: str, *categories: str) -> None:
    """A line a category and seed, as they come."""
    print(f"| {' | '.join(HEADING)} |")
    print("|---" * len(HEADING) + "|")
    for seed in map(int, seeds.split(",")):
        for category in map(Path, categories):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder) / category.name
                print(row(category, Path(weights), seed, int(size), float(minutes), place), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
