"""A good photo that sets the limit alone: when it is named, and what would be without it. Asked on scores alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.recommending.lone_photo import lone_photo
from harness.report.recommendation import Lone
from harness.verdicts.choosing import Candidate, Count, Promise, choose


def lone(good: list[float], bad: list[float], share: float = 0.05, **more: Any) -> Lone | None:
    candidates = [Candidate("one", np.array(good, dtype=float), np.array(bad, dtype=float), 0)]
    groups = more.pop("groups", np.arange(len(good)))
    promise = Promise(share, confident=more.pop("confident", False))
    choice = choose(candidates, groups, ["dent"] * len(bad), promise, 0, more.get("fresh_good"))
    return lone_photo(candidates, groups, ["dent"] * len(bad), choice, [str(at) for at in range(len(good))], 0, **more)


def test_a_lone_photo_is_one_that_alone_sets_the_limit_and_hides_a_bad_one() -> None:
    good = [*range(24), 90]
    found = lone(good, [50] * 5)
    assert found is not None
    assert (found.photo, found.copies, found.misses.wrong, found.misses_with.wrong) == ("24", 0, 0, 4)
    assert found.false_alarms.of == 25
    assert lone(good, [95] * 5) is None, "nothing more would be found without it"
    assert lone([*range(23), 90, 91], [50] * 5) is None, "two photos set it"
    assert lone([*range(60), 90], [50] * 5) is None, "it lies above the limit already"
    assert lone(good, []) is None, "without bad photos nothing is missed"


def test_near_duplicates_of_a_lone_photo_are_left_out_with_it() -> None:
    found = lone([*range(23), 90, 91], [50] * 5, groups=np.array([*range(24), 23]))
    assert found is not None
    assert (found.photo, found.copies, found.false_alarms.of) == ("24", 1, 25)


def test_a_lone_photo_is_not_offered_where_the_others_are_too_few_for_the_promise() -> None:
    good = [*range(58), 90]
    assert lone(good, [70] * 5, confident=True) is None
    assert lone([*range(3), 90], [50] * 5, 0.2) is None
    assert lone([*good[:-1], 58, 90], [70] * 5, confident=True) is not None


def test_false_alarms_without_a_lone_photo_are_counted_on_photos_that_were_kept_for_testing() -> None:
    found = lone([*range(24), 90], [50] * 5, fresh_good=[np.array([0.0, 60.0])])
    assert found is not None
    assert (found.false_alarms, found.false_alarms_with) == (Count(1, 2), Count(0, 2))
