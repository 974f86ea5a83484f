"""Reads a folder of photos: finds the data set that knows its layout, then loads and audits its one category."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import Split
from harness.audit import Audit, audit
from harness.errors import DataError
from harness.images.decoding import path_text
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.recommending.two_groups import two_groups
from harness.trials.datasets import load, photos_of_one_part
from harness.verdicts.choosing import FEWEST


@dataclass(frozen=True)
class Photos:
    """The photos of one kind of part, as a data set reads them."""

    dataset: str
    """The data set as an option spells it."""
    root: Path
    category: str
    split: Split
    audit: Audit


def photos_in(registry: Registry, place: Path, image_size: int) -> Photos:
    """The photos in a folder, or those that a table (CSV) lists. Raises UsageError, DataError."""
    dataset, root, category = photos_of_one_part(registry, place, "a detector")
    dataset.skip_unreadable = True
    split = load(dataset, category, image_size)
    if len(split.train) < FEWEST:
        n = len(split.train)
        raise DataError(
            f"{path_text(place)} holds {n} good photo{'' if n == 1 else 's'}: at least {FEWEST} are needed to set any "
            f"limit, and 59 for one that keeps false alarms at 5 %; collect {FEWEST - n} more"
        )
    found = audit(split)
    told = (one for one in found.findings if one.name != "labels")  # false alarms are counted by cross-fitting
    findings = (*two_groups(split.train), *told)
    return Photos(spell(dataset), root, category, split, replace(found, findings=findings))
