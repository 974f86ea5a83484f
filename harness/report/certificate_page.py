"""A certificate as one HTML file that opens from a disk and fetches nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from harness.certifying.certificate import Certificate, plain
from harness.metrics import detection_by_size, same_distribution
from harness.report.certificate import (
    Said,
    heading_of,
    lines_of,
    method_of,
    milliseconds,
    share_of,
    size_in_words,
)
from harness.report.html import style_hash, template

_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 330.0, 12.0, 172.0
"""Where the axes of a picture lie, in its units."""
_POINTS = 60
_STRIPS = {
    "calibration": ("calibration photos", "good"),
    "unseen": ("good photos that it had never seen", "good"),
    "today": ("good photos of today", "good"),
    "bad": ("bad photos", "bad"),
}


class Curve(NamedTuple):
    """One contrast in the picture of one kind of defect, in its units."""

    number: int
    contrast: str
    path: str
    dots: list[tuple[float, float]]
    at: float | None
    """Where nine in ten are found; None where nowhere."""
    interval: tuple[float, float]
    open: bool
    """Whether the interval goes on beyond the largest size."""
    words: str


class Picture(NamedTuple):
    """The curves of one kind of defect."""

    defect: str
    curves: list[Curve]


class Cell(NamedTuple):
    """Errors at one severity."""

    errors: int
    amount: str
    level: int
    """From 0 for none to 5 for all, for its shade."""
    doubled: bool


class Table(NamedTuple):
    """Errors of one sort by corruption and severity."""

    title: str
    what: str
    of: int
    rows: list[tuple[str, list[Cell]]]


class Strip(NamedTuple):
    """The scores of one group of photos, as places from 0 to 1000."""

    name: str
    kind: str
    places: list[float]


def certificate_page(certificate: Certificate) -> str:
    """The whole file. Names of strangers that it shows cannot be executed."""
    style = "\n".join(
        (files("harness.report") / "templates" / name).read_text(encoding="utf-8")
        for name in ("report.css", "marks.css", "recommendation.css", "certificate.css")
    )
    found, measured = plain(certificate.found), plain(certificate.measured)
    sizes = certificate.asked.sizes
    strips, limit = _strips(found["guarantee"])
    return template("certificate.html.j2").render(
        heading=heading_of(certificate),
        method=method_of(certificate),
        lines=lines_of(certificate),
        found=found,
        measured=measured,
        pictures=_pictures(found["smallest"], sizes),
        ticks=[(round(_x(size, sizes), 1), share_of(size)) for size in sizes],
        levels=[(round(_y(share), 1), f"{share:.0%}") for share in (0.0, 0.5, 0.9, 1.0)],
        axes=(_LEFT, _RIGHT, _TOP, _BOTTOM),
        tables=_tables(found["breaks"]),
        strips=strips,
        milliseconds=milliseconds,
        limit=limit,
        explained=explained(certificate),
        asked=[(name, _asked_in_words(value)) for name, value in vars(certificate.asked).items() if value != ""],
        hashes=list(certificate.hashes.items()),
        style=style,
        policy=f"default-src 'none'; style-src {style_hash(style)}",
    )


def explained(certificate: Certificate) -> list[str]:
    """What the numbers mean, and by which methods they were found."""
    found = plain(certificate.found)
    bad = (
        "Misses are counted on the bad photos that were given."
        if found["breaks"]["bad_are"] == "real"
        else "There were no bad photos, so misses are counted on good ones with a painted defect each: weaker evidence."
    )
    return [
        f"Painted defects lie on the part. They were put onto {found['photos']['painted']} good photos that the "
        "detector calls normal without them, so that it is the defect that is found. They are not the defects of your "
        "line: they say how small and how faint a thing it sees, and not that it finds every kind.",
        detection_by_size.METHOD,
        "Contrast is how far a defect differs from what lies below it, from 0 to 1; what that means for each kind, its "
        "plugin says (`harness list defects`).",
        f"Corruptions are applied to the photos as the model sees them. {bad} A rate is doubled where there are at "
        "least twice as many errors as without the change, and at least two; p is McNemar's exact test of the same "
        "photos before and after, not corrected for the number of corruptions.",
        "“At most” is an upper bound with 95 % confidence (Clopper and Pearson, Biometrika 26 (1934)) for parts like "
        "those in the photos. What a limit promises holds for photos that come from where its calibration photos came "
        "from; with few photos the test below sees gross differences only.",
        "Of several detectors, the photos that set limits favour one whose good photos happen to score low, and so a "
        "limit with more false alarms than its rank says. `harness recommend` counts that in, and the model remembers "
        "it. Of a detector that you chose yourself, from a leaderboard for one, nothing of the kind is known here. "
        "False alarms and misses are counted on photos that chose nothing, and are not touched by it.",
        same_distribution.METHOD + " Scores of cross-fitting come from models that saw fewer photos, and so may lie a "
        "little above those of the kept model.",
        "Times are for one photo from pixels in memory to the decision, each engine in a process of its own.",
    ]


def _pictures(rungs: Sequence[Said], sizes: Sequence[float]) -> list[Picture]:
    kinds = list(dict.fromkeys(rung["defect"] for rung in rungs))
    return [
        Picture(
            kind, [_curve(at, rung, sizes) for at, rung in enumerate(one for one in rungs if one["defect"] == kind)]
        )
        for kind in kinds
    ]


def _curve(number: int, rung: Said, sizes: Sequence[float]) -> Curve:
    curve, largest = rung["curve"], max(sizes)
    points = np.geomspace(min(sizes), largest, _POINTS)
    chances = 1 / (1 + np.exp(-np.clip(curve["intercept"] + curve["slope"] * np.log(points), -30, 30)))
    path = "M" + "L".join(f"{_x(x, sizes):.1f} {_y(y):.1f}" for x, y in zip(points, chances, strict=True))
    dots = [(round(_x(x, sizes), 1), round(_y(k / rung["of"]), 1)) for x, k in zip(sizes, rung["found"], strict=True)]
    size, high = curve["size"], curve["high"]
    return Curve(
        number=number % 3,
        contrast=f"{rung['contrast']:g}",
        path=path,
        dots=dots,
        at=None if size is None else round(_x(size, sizes), 1),
        interval=(round(_x(curve["low"], sizes), 1), round(_x(largest if high is None else high, sizes), 1)),
        open=high is None,
        words=size_in_words(rung, sizes),
    )


def _x(size: float, sizes: Sequence[float]) -> float:
    low, high = math.log(min(sizes)), math.log(max(sizes))
    return _LEFT + (_RIGHT - _LEFT) * (math.log(size) - low) / (high - low)


def _y(share: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * share


def _tables(breaks: Said) -> list[Table]:
    found = []
    for title, what, key, of in (
        ("False alarms", "good photos", "false_alarms", breaks["normal"]),
        ("Misses", f"{breaks['bad_are']} bad photos", "misses", breaks["bad"]),
    ):
        rows = [(one["corruption"], _cells(one, key, of)) for one in breaks["corruptions"]]
        found.append(Table(title, what, of, rows))
    return found


def _cells(one: Said, key: str, of: int) -> list[Cell]:
    doubled = one[f"{key}_double"]
    first = doubled["severity"] if doubled else len(one[key])
    return [
        Cell(count, amount, math.ceil(5 * count / of) if of else 0, severity >= first)
        for severity, (count, amount) in enumerate(zip(one[key], ["", *one["amounts"]], strict=True))
    ]


def _strips(held: Mapping[str, Any]) -> tuple[list[Strip], float]:
    groups = {name: scores for name, scores in held["scores"].items() if scores}
    every = [one for scores in groups.values() for one in scores] + [held["limit"]]
    low, high = min(every), max(every)

    def place(score: float) -> float:
        return float(round(5 + 990 * (score - low) / ((high - low) or 1), 1))

    strips = [
        Strip(f"{len(groups[name])} {words}", kind, [place(one) for one in groups[name]])
        for name, (words, kind) in _STRIPS.items()
        if name in groups
    ]
    return strips, place(held["limit"])


def _asked_in_words(value: object) -> str:
    return ", ".join(f"{one}" for one in value) if isinstance(value, tuple) else str(value)
