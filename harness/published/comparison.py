"""Our numbers beside published ones: joined by method and category, and compared where the protocol is the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

from harness.api import Interval
from harness.plugin.spec import parse
from harness.published.checks import check
from harness.published.equivalence import MARGIN, Judgement, Noise, bounds_of, judgement, pooled, unseen
from harness.published.fields import misspelt
from harness.published.floors import BesideFloor, beside_floors
from harness.published.printed import Printed
from harness.published.protocol import differences, needs_limit
from harness.published.table import PublishedTable, Row
from harness.trials.trial import UNUSED, Protocol, Trial
from harness.verdicts.methods import Method, method_of
from harness.verdicts.rows import Stat, stat
from harness.verdicts.verdict import PIXEL_METRICS, Verdict

CALLED = {"wide_resnet50_2": "wide_resnet50", "wide_resnet101_2": "wide_resnet101"}
"""Networks that timm calls otherwise than papers do."""


@dataclass(frozen=True)
class Comparison:
    """One published number beside our verdicts on the same method and category."""

    row: Row
    metric: str
    method: Method
    """Our method; `-` stands for a pool or threshold on which the metric does not depend."""
    verdicts: Sequence[Verdict]
    """One for each seed, in the order of seeds."""
    ours: Stat
    noise: Noise
    """Of a single run, by its seed."""
    margin: float
    """What two numbers may lie apart and still be the same."""
    reasons: tuple[str, ...]
    """Why the two cannot be compared; empty where they can."""
    impossible: bool
    """Whether the published number contradicts others by arithmetic."""

    @property
    def published(self) -> Printed:
        """The number with its digits as printed."""
        return self.row.values[self.metric]

    @property
    def verdict(self) -> Literal["equivalent", "different", "inconclusive", "not comparable"]:
        """Equivalent: by two one-sided tests the two lie within the margin; different: they lie beyond it."""
        return "not comparable" if self.reasons else self.would_be(self.ours.mean)

    @property
    def difference(self) -> float | None:
        """Ours minus theirs; None where they cannot be compared."""
        return None if self.reasons else self.ours.mean - float(self.published.value)

    @property
    def bounds(self) -> Interval | None:
        """Where the difference lies, at 90 %; None where they cannot be compared."""
        return None if self.reasons else self._bounds(self.ours.mean, self.ours.n)

    @property
    def images(self) -> int:
        """The test images that the metric rests on; where it rests on both classes, those of the smaller one."""
        return images_behind(self.metric, self.verdicts[0])

    def would_be(self, ours: float, runs: int | None = None) -> Judgement:
        """The verdict if ours were this number, of so many runs: by default of as many as there are."""
        return judgement(self._bounds(ours, runs or self.ours.n), self.margin)

    def _bounds(self, ours: float, runs: int) -> Interval:
        return bounds_of(ours, runs, self.published, self.images, self.noise)


@dataclass(frozen=True)
class Compared:
    """A published table compared with our verdicts."""

    table: PublishedTable
    comparisons: Sequence[Comparison]
    """In the order of the published rows and metrics."""
    lacking: int
    """Published cells (a method on a category) that no finished trial of ours belongs to."""
    tried: int
    """How many of these were skipped or failed here."""
    unpublished: int
    """Cells of ours that the table does not have."""
    near_misses: Sequence[tuple[str, str]]
    """Names of ours and of the table that differ in little: parts that may be the same."""
    margin: float
    floors: Sequence[BesideFloor] = ()
    """Published numbers beside fitted floors, where some were fitted to the same data."""


class _Cell(NamedTuple):
    """A method on a category, under the names that the source uses."""

    model: str
    encoder: str
    loss: str
    category: str


def compare(table: PublishedTable, verdicts: Iterable[Verdict], margin: float = MARGIN) -> Compared:
    """Every published number for which we have a verdict, beside ours."""
    done: dict[Trial, list[Verdict]] = {}
    unfinished: set[Trial] = set()
    every = list(verdicts)
    for verdict in every:
        if verdict.outcome.record.floor:
            continue  # it is no method that a paper could have
        if verdict.status == "done":
            done.setdefault(verdict.trial, []).append(verdict)
        else:
            unfinished.add(verdict.trial)
    ours: dict[_Cell, list[Verdict]] = {}
    for trial, group in done.items():
        for cell in _cells(trial):
            ours.setdefault(cell, []).extend(group)
    tried = {cell for trial in unfinished for cell in _cells(trial)}
    denied = {(found.place, found.metric) for found in check(table) if found.severity == "impossible"}
    published = [(_Cell(row.model, row.encoder, row.loss, row.category), row) for row in table.rows]
    joined = [
        each
        for cell, row in published
        for metric in row.values
        for each in _joined(table, row, metric, ours.get(cell, ()), (row.place, metric) in denied)
    ]
    lacking = [cell for cell, _ in published if cell not in ours]
    known = {cell for cell, _ in published}
    unpublished = {trial._replace(seed=0) for trial in done if known.isdisjoint(_cells(trial))}
    tried_too = sum(cell in tried for cell in lacking)
    misses = near_misses(lacking, unpublished)
    return Compared(
        table,
        _judged(joined, margin),
        len(lacking),
        tried_too,
        len(unpublished),
        misses,
        margin,
        beside_floors(table, every),
    )


def near_misses(lacking: Iterable[_Cell], unpublished: Iterable[Trial]) -> list[tuple[str, str]]:
    """Our name and the published one of parts that are alike, where all else of two cells is equal."""
    found: dict[tuple[str, str], None] = {}
    wanted = sorted(set(lacking))
    for cell in sorted({cell for trial in unpublished for cell in _cells(trial)}):
        for other in wanted:
            apart = [(one, theirs) for one, theirs in zip(cell, other, strict=True) if one != theirs]
            if len(apart) == 1 and cell.category == other.category and misspelt(apart[0][0], [apart[0][1]]):
                found[apart[0]] = None
    return list(found)


def _cells(trial: Trial) -> Iterator[_Cell]:
    """The names that a source may give a trial's cell: each part as it is spelt, or by its plain name."""
    for model, encoder, loss in product(
        *({part, plain_name(part)} for part in (trial.model, trial.encoder, trial.loss))
    ):
        yield _Cell(model, encoder, loss, trial.category)


def plain_name(spelt: str) -> str:
    """What a source calls a part: `dae` of `dae[level=0.2]`, and `resnet18` of `timm[name=resnet18.a1_in1k]`."""
    if spelt == UNUSED:
        return UNUSED
    name, options = parse(spelt)
    plain = options["name"].partition(".")[0] if "name" in options else name
    return CALLED.get(plain, plain)


class _Joined(NamedTuple):
    """A comparison before the noise of all of them is known; its fields are that one's."""

    row: Row
    metric: str
    method: Method
    verdicts: Sequence[Verdict]
    ours: Stat
    reasons: tuple[str, ...]
    impossible: bool


def _judged(joined: Sequence[_Joined], margin: float) -> list[Comparison]:
    """With the deviation over seeds of all methods of a category, else of all categories, else what stands in."""
    known = pooled((one.row.category, one.metric, one.ours) for one in joined if not one.reasons)
    found = []
    for one in joined:
        noise = known.get((one.row.category, one.metric)) or known.get(("", one.metric))
        if noise is None:
            images = images_behind(one.metric, one.verdicts[0])
            noise = unseen(one.ours.mean, one.row.values[one.metric], images)
        found.append(Comparison(**one._asdict(), noise=noise, margin=margin))
    return found


def images_behind(metric: str, verdict: Verdict) -> int:
    """The test images that a metric rests on; where it rests on both classes, those of the smaller one."""
    counts = verdict.counts
    assert counts is not None
    by_metric = {
        "normal_rate": counts.n_normal,
        "abnormal_rate": counts.n_abnormal,
        "accuracy": counts.n_normal + counts.n_abnormal,
        **dict.fromkeys(PIXEL_METRICS, counts.n_abnormal),
    }
    return max(1, by_metric.get(metric, min(counts.n_normal, counts.n_abnormal)))


def _joined(
    table: PublishedTable, row: Row, metric: str, verdicts: Sequence[Verdict], impossible: bool
) -> Iterator[_Joined]:
    groups: dict[tuple[Method, str, int, str, Protocol], dict[int, Verdict]] = {}
    for verdict in verdicts:
        if verdict.metric(metric) is not None:
            t, method = verdict.trial, method_of(verdict)
            method = method if needs_limit(metric) else method._replace(threshold=UNUSED)
            method = method._replace(pool=UNUSED) if metric in PIXEL_METRICS else method
            seeds = groups.setdefault((method, t.dataset, t.image_size, verdict.outcome.fingerprint, t.protocol), {})
            seeds.setdefault(t.seed, verdict)
    for (method, *_), seeds in sorted(groups.items(), key=lambda item: item[0]):
        group = [seeds[seed] for seed in sorted(seeds)]
        ours = stat([value for verdict in group if (value := verdict.metric(metric)) is not None])
        reasons = tuple(differences(table, row, metric, group[0]))
        yield _Joined(row, metric, method, group, ours, reasons, impossible)
