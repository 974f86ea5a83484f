"""Paired tests: a table a board for people, a row a pair for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_lowercase

from harness.metrics.significance import CriticalDifference, Pair
from harness.report.metric_names import in_words
from harness.report.protocols import with_protocols
from harness.report.table import Document, Row, Table
from harness.trials.trial import named, spelt
from harness.verdicts.methods import spellings
from harness.verdicts.paired_tests import ALPHA, PairedTests

COLUMNS = (
    "test",
    "dataset",
    "image_size",
    "oracle",
    "category",
    "metric",
    "n",
    "seeds",
    "first",
    "second",
    "difference",
    "wins",
    "losses",
    "p",
    "p_holm",
    "critical_difference",
    "iman_davenport",
    "told_apart",
)


def significance_document(tests: Sequence[PairedTests]) -> Document:
    """For people, each method against the best, and whom it beats; for programs, one row a test and pair."""
    nothing = "No tests: they need two methods with verdicts on the same images."
    return Document(
        tables=lambda: [_table(tested) for tested in tests],
        rows=lambda: [row for tested in tests for row in _rows(tested)],
        columns=with_protocols(COLUMNS, (tested.board.track.protocol for tested in tests)),
        remarks=[] if tests else [[nothing]],
    )


def _table(tested: PairedTests) -> Table:
    overall, critical = tested.board.category is None, tested.critical
    against_best = {pair.second: pair for pair in tested.pairs if pair.first == next(iter(tested.lines))}
    numbers = {name: str(position) for position, name in enumerate(tested.lines, 1)}
    headings = ["no.", "method", f"mean {in_words(tested.metric)}" if overall else "right"]
    headings += ["mean rank", "group"] if critical else []
    headings += [] if tested.too_few else ["against 1", "p", "p Holm", "better than"]
    rows = []
    for name, line in tested.lines.items():
        row = [numbers[name], name]
        if overall:
            row.append(f"{line.worth(tested.metric):.3f}")
        else:
            row.append(f"{_figure(line.stats['accuracy'].mean * tested.n)} of {tested.n}")
        row += [f"{critical.ranks[name]:.2f}", _letters(critical, name)] if critical else []
        row += [] if tested.too_few else [*_against(against_best.get(name)), _beaten(tested.pairs, name, numbers)]
        rows.append(row)
    return Table(
        title=_title(tested),
        headings=headings,
        rows=rows,
        numbers=frozenset({"no.", headings[2], "mean rank", "against 1", "p", "p Holm"}),
        notes=[" ".join(_notes(tested))],
        droppable=("p", "against 1"),
        folding=frozenset({"method", "better than"}),
    )


def _figure(count: float) -> str:
    """`71`, or `70.3` of several seeds."""
    return f"{count:.1f}".removesuffix(".0")


def _title(tested: PairedTests) -> str:
    board = tested.board
    scope = f"over {tested.n} categories" if board.category is None else f"{board.category} · on {tested.n} test images"
    parts = ["Which differ", board.track.dataset, f"{board.track.image_size} px", scope]
    parts += filter(None, [spelt(board.track.protocol)])
    return " · ".join([*parts, *(["ORACLE: thresholds saw test labels"] if board.track.oracle else [])])


def _against(pair: Pair | None) -> list[str]:
    """How a method fares against the best one, seen from the method."""
    return [f"{pair.losses} : {pair.wins}", _figure_of(pair.p), _figure_of(pair.p_holm)] if pair else ["", "", ""]


def _figure_of(p: float) -> str:
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def _beaten(pairs: Sequence[Pair], name: str, numbers: dict[str, str]) -> str:
    better = [pair.second for pair in pairs if pair.first == name and pair.wins > pair.losses and pair.p_holm < ALPHA]
    better += [pair.first for pair in pairs if pair.second == name and pair.losses > pair.wins and pair.p_holm < ALPHA]
    return ", ".join(sorted((numbers[other] for other in better), key=int))


def _letters(critical: CriticalDifference, name: str) -> str:
    """The letters of the groups that a method is in: a, b, ... z, a1, b1 ..."""
    named = [f"{ascii_lowercase[i % 26]}{i // 26 or ''}" for i in range(len(critical.groups))]
    return " ".join(letter for letter, group in zip(named, critical.groups, strict=True) if name in group)


def _notes(tested: PairedTests) -> list[str]:
    pairs = f"{len(tested.pairs)} pairs" if len(tested.pairs) > 1 else "1 pair"
    critical, notes = tested.critical, []
    if critical:
        notes.append(
            "Methods that share a letter are not told apart: "
            f"their mean ranks differ by less than {critical.distance:.2f} (Nemenyi, {ALPHA:g})."
        )
        notes.append(
            f"Friedman's test that all are equal: p {_p(critical.p)} by permutation within categories "
            f"(Iman and Davenport's F: p {_p(critical.iman_davenport)})."
        )
    if tested.too_few:
        notes.append(
            f"Signed-rank test: {tested.n} categories are too few for {pairs} to differ at {ALPHA:g}, "
            f"which takes {tested.needed}."
        )
        return notes
    if tested.board.category is None:
        notes.append(f"against 1: categories won and lost; p: signed-rank test, corrected by Holm for {pairs}.")
    else:
        notes += _notes_on_images(tested, pairs)
    notes.append(f"better than: corrected p below {ALPHA:g}.")
    return notes


def _notes_on_images(tested: PairedTests, pairs: str) -> list[str]:
    if all(pair.seeds == 1 for pair in tested.pairs):
        notes = ["against 1: images that only this one, and only the best, judged rightly."]
        notes.append(f"p: McNemar's exact test, corrected by Holm for {pairs}.")
    else:
        notes = ["against 1: images that this one, and that the best, judged rightly in more seeds."]
        notes.append(
            "p: over the seeds that both have, drawn as the images are (McNemar's exact test for one seed), "
            f"corrected by Holm for {pairs}."
        )
    untested = math.comb(len(tested.lines), 2) - len(tested.pairs)
    if untested:
        notes.append(f"Not tested, for they have no seed in common: {untested} pairs.")
    return notes


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _rows(tested: PairedTests) -> list[Row]:
    track, category = tested.board.track, tested.board.category
    about = {"dataset": track.dataset, "image_size": track.image_size, "oracle": track.oracle, "category": category}
    about |= named(track.protocol)
    about |= {"metric": tested.metric, "n": tested.n}
    full = spellings(line.method for line in tested.lines.values())
    names = {name: full[line.method] for name, line in tested.lines.items()}
    rows: list[Row] = [
        {
            "test": "signed-rank" if category is None else "mcnemar" if pair.seeds == 1 else "seeds-by-images",
            **about,
            **vars(pair),
            "first": names[pair.first],
            "second": names[pair.second],
            "seeds": None if category is None else pair.seeds,
            "critical_difference": None,
            "iman_davenport": None,
            "told_apart": pair.p_holm < ALPHA,
        }
        for pair in tested.pairs
    ]
    for pair in tested.pairs if tested.critical else ():
        assert tested.critical is not None
        ahead = tested.critical.ranks[pair.second] - tested.critical.ranks[pair.first]
        distance = tested.critical.distance
        rows.append(
            {
                "test": "nemenyi",
                **about,
                **vars(pair),
                "first": names[pair.first],
                "second": names[pair.second],
                "difference": ahead,
                "p": tested.critical.p,
                "p_holm": None,
                "seeds": None,
                "critical_difference": distance,
                "iman_davenport": tested.critical.iman_davenport,
                "told_apart": abs(ahead) >= distance,
            }
        )
    return [{name: row[name] for name in COLUMNS} for row in rows]
