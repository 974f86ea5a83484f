"""A recommendation as one HTML file that opens from a disk and fetches nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from harness.api import FloatArray, Images
from harness.printable import counted
from harness.report.html import style_hash, template
from harness.report.pictures import data_uri
from harness.report.recommendation import Recommendation
from harness.verdicts.choosing import FOLDS, TIE

_SIDE = 180
_MOST = 12
"""So many photos are shown at most."""


class Strip(NamedTuple):
    """The scores of one kind of photo, as places from 0 to 1000."""

    name: str
    kind: str
    places: list[float]


class Picture(NamedTuple):
    """A photo to look at, and why."""

    source: str
    text: str
    name: str


def recommendation_page(answer: Recommendation) -> str:
    """The whole file. Names of strangers that it shows cannot be executed."""
    style = "\n".join(
        (files("harness.report") / "templates" / name).read_text(encoding="utf-8")
        for name in ("report.css", "marks.css", "recommendation.css")
    )
    everything = np.concatenate([answer.good, answer.bad, answer.fresh_good, [answer.choice.limit]])
    low, high = float(everything.min()), float(everything.max())

    def places(scores: FloatArray) -> list[float]:
        return [round(5 + 990 * (float(one) - low) / ((high - low) or 1), 1) for one in np.sort(scores)]

    strips = [
        Strip(
            f"{counted(len(answer.good), 'good photo')}, scored by models that had not seen them",
            "good",
            places(answer.good),
        )
    ]
    if len(answer.fresh_good):
        name = f"{counted(len(answer.fresh_good), 'good photo')} that were kept for testing"
        strips.append(Strip(name, "good", places(answer.fresh_good)))
    if len(answer.bad):
        strips.append(Strip(f"{len(answer.bad)} {answer.bad_words}", "bad", places(answer.bad)))
    return template("recommendation.html.j2").render(
        answer=answer,
        notices=[text for word, text in answer.lines if word in ("weights", "weaker")],
        strips=strips,
        limit=places(np.array([answer.choice.limit]))[0],
        pictures=list(_pictures(answer)),
        explained=explained(answer),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=style,
        policy=f"default-src 'none'; img-src data:; style-src {style_hash(style)}",
    )


def explained(answer: Recommendation) -> list[str]:
    """What the numbers mean, and by which rule the detector was chosen."""
    choice = answer.choice
    return [
        "The limit is one of the scores of the good photos, none of which the model that scored it had seen; the kept "
        "model is fitted to all of them once more. Among detectors that are about as good the rule prefers the one "
        "whose good photos happen to score low, so a limit that is right for one detector is too low for the chosen "
        "one. Each good photo is therefore left out in turn, the others choose anew, and the limit is raised until few "
        "enough of the left-out ones lie above it.",
        "The rule: the highest mean of the AUROC and of the share of bad photos found at the limit; of detectors (each "
        f"by each pool, which makes a score of an error map) within {TIE} of it the cheapest, in the order in which "
        f"they were tried. No photo that chooses also reports: they are dealt into {FOLDS} folds, and each fold is "
        "judged by the "
        "detector and the limit that the others choose. In "
        f"{choice.steady} of {choice.folds} folds that is the recommended one.",
        "“At most” is an upper bound with 95 % confidence (Clopper and Pearson), for parts like those in the photos: "
        "another light, camera or batch is not covered.",
        "p of a runner-up: how likely a difference this large in right answers is by chance (McNemar's test).",
        "harness predict gives each photo a p-value: the share of good photos that score as high. Of new good photos "
        "5 % have a p of .05 or less, so a small p alone is no proof of a defect.",
        "The AUROC is the chance that a bad photo scores above a good one; one half is chance.",
    ]


def _pictures(answer: Recommendation) -> Iterator[Picture]:
    """Bad photos that are missed and good ones that are called anomalous, those furthest on the wrong side first."""
    bad, good, limit = answer.bad_images, answer.good_images, answer.choice.limit
    missed = [at for at in np.argsort(answer.bad) if answer.bad[at] <= limit][: _MOST // 2]
    for at in missed:
        yield Picture(_thumbnail(bad, int(at)), f"missed: {bad.defects[at]}", bad.paths[at])
    suspect = [at for at in np.argsort(-answer.good) if answer.good[at] >= limit][: _MOST // 2]
    for at in suspect:
        yield Picture(_thumbnail(good, int(at)), "good, and least like the others", good.paths[at])


def _thumbnail(images: Images, at: int) -> str:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(images.pixels[at]))
    picture.thumbnail((_SIDE, _SIDE))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=80)
    return data_uri(written.getvalue())
