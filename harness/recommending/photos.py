"""What a folder of photos is: which data set reads it, and its one category, loaded and audited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import Split
from harness.audit import Audit, audit
from harness.errors import DataError, UsageError
from harness.images.decoding import path_text
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.recommending.two_groups import two_groups
from harness.trials.datasets import categories_of, load, own_photos
from harness.verdicts.choosing import FEWEST


@dataclass(frozen=True)
class Photos:
    """One kind of part, as its data set reads it."""

    dataset: str
    """As it is spelt."""
    root: Path
    category: str
    split: Split
    audit: Audit


def photos_in(registry: Registry, place: Path, image_size: int) -> Photos:
    """The photos of a folder, or of a table (CSV) that lists them. Raises UsageError, DataError in one line."""
    if not place.exists():
        raise UsageError(f"no folder {path_text(place)}: expected a folder with good/ and bad/, or one of good photos")
    dataset, root = own_photos(registry, place)
    dataset.skip_unreadable = True
    categories = categories_of(dataset)
    if len(categories) > 1:
        names = ", ".join(categories[:5]) + (", ..." if len(categories) > 5 else "")
        raise UsageError(
            f"{path_text(place)} holds {len(categories)} kinds of part ({names}): a detector learns one, so give one "
            f"of them, such as {path_text(place / categories[0])}"
        )
    split = load(dataset, categories[0], image_size)
    if len(split.train) < FEWEST:
        n = len(split.train)
        raise DataError(
            f"{path_text(place)} holds {n} good photo{'' if n == 1 else 's'}: at least {FEWEST} are needed to set any "
            f"limit, and 59 for one that keeps false alarms at 5 %; collect {FEWEST - n} more"
        )
    found = audit(split)
    findings = (*two_groups(split.train), *found.findings)
    return Photos(spell(dataset), root, categories[0], split, replace(found, findings=findings))
