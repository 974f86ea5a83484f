"""What a report says first: the method to use, how often it is wrong, beside what, and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.metrics.guarantees import at_most
from harness.report.alarms import percent, rate_with_interval
from harness.report.board_notes import row_names
from harness.report.cases import Json, case_of
from harness.report.metric_names import in_words
from harness.report.protocols import data_of
from harness.verdicts.answering import Answered, answered, behind
from harness.verdicts.leaderboard import Board
from harness.verdicts.methods import Method
from harness.verdicts.rows import BoardRow
from harness.verdicts.verdict import Verdict

FEW = 0.05
"""Images are called few where even none wrong among them leaves more than this rate possible, with 95 % confidence."""
_SHOWN = 4
"""So many methods stand in the picture at most, beside floors."""


@dataclass(frozen=True)
class Answer:
    """The first screen of a report, for one data set and image size."""

    board: int
    """The place of its board among those of the page."""
    data: str
    name: str
    full: str
    threshold: str
    sentence: str
    compared: Sequence[str]
    against: Sequence[str]
    rows: Sequence[Json]
    """What the picture shows: name, kind (chosen, other or floor), and rates of false alarms and misses with bounds."""
    worst: Verdict
    """On the category where it errs most: whose images are shown."""

    @property
    def content(self) -> Json:
        """What the page's script takes of it."""
        case = case_of(self.worst)
        return {"board": self.board, "data": self.data, "threshold": self.threshold, "case": case, "rows": self.rows}


def answers_of(ranked: Sequence[Board], ranked_by: str) -> list[Answer]:
    """The answer for each data set and image size: of its mean over categories, or else of its one category."""
    found: dict[str, Answer] = {}
    for at, board in enumerate(ranked):
        data = data_of(board.track)
        if data not in found and not board.track.stated and (answer := answer_of(at, board, ranked_by, data)):
            found[data] = answer
    return list(found.values())


def answer_of(at: int, board: Board, ranked_by: str, data: str) -> Answer | None:
    """The answer that board number `at` gives; None where it gives none."""
    found = answered(board, ranked_by)
    if found is None:
        return None
    names = row_names(board)
    line = found.line
    return Answer(
        board=at,
        data=data,
        name=names[line.method],
        full=line.method.title,
        threshold=line.method.threshold,
        sentence=_sentence(found),
        compared=_compared(found, names, ranked_by),
        against=_against(found, names, ranked_by),
        rows=_rows(found, names),
        worst=min(behind(line), key=lambda verdict: verdict.metric("balanced_accuracy") or 0.0),
    )


def _sentence(found: Answered) -> str:
    """How often it is wrong, behind its name."""
    said = []
    for normal, what in ((True, "calls {} of the normal images anomalous"), (False, "misses {} of the defective ones")):
        rate = rate_with_interval(found.line, normal=normal)
        if rate is not None:
            said.append(what.format(f"{percent(rate[0])} % ({percent(rate[1])} to {percent(rate[2])})"))
    board = found.board
    where = f"on {board.category}" if board.category else f"on average over {len(board.parts)} categories"
    return f"{' and '.join(said)}, {where}" if said else f"ranks first, {where}"


def _compared(found: Answered, names: dict[Method, str], ranked_by: str) -> list[str]:
    board, line = found.board, found.line
    judged = f" in {found.rows} rows" if found.rows > found.methods else ""
    rule = (
        "the highest mean of AUROC and defects found, at limits that keep the same rate of false alarms"
        if found.promised
        else f"the highest {in_words(ranked_by)}"
    )
    methods = f"{found.methods} methods{judged}" if found.methods > 1 else "one method, with nothing to choose from"
    said = [f"It was chosen among {methods}: {rule}; of equals, the one that is fitted fastest."]
    if found.next_best is not None:
        said.append(f"Next best is {names[found.next_best.method]}: {_paired(found)}.")
    floors = [names[floor.method] for floor in board.fitted_floors if floor.method.threshold == line.method.threshold]
    floor = line.fitted_floor(ranked_by)
    if floors and floor is not None:
        worth = line.mean(ranked_by)
        said.append(
            f"{floors[0].capitalize()}, which looks at next to nothing, reaches {floor:.3f} in {in_words(ranked_by)}; "
            f"this reaches {worth:.3f}."
        )
    return said


def _paired(found: Answered) -> str:
    """The paired test in words."""
    test = found.test
    if test is None:
        return "the two cannot be paired, for they have no seed with known decisions in common"
    counts = f"{test.wins} images are judged rightly by this one alone and {test.losses} by that one alone"
    p = "p < 0.001" if test.p < 0.001 else f"p = {test.p:.2f}"
    kind = "McNemar" if test.seeds == 1 else "over seeds and images"
    verdict = "no difference is shown" if found.tied else "more than chance"
    return f"{counts} ({kind}, {p}: {verdict})"


def _against(found: Answered, names: dict[Method, str], ranked_by: str) -> list[str]:
    """What speaks against it, the gravest first."""
    board, line = found.board, found.line
    said = [note for note in board.notes if note.startswith("GRAVE")]
    if not line.beats_floors:
        said.append("Its accuracy does not beat a constant answer.")
    if not line.beats_fitted_floors(ranked_by):
        said.append("It does not beat a floor that looks at next to nothing.")
    for n, what, wrong in ((board.n_normal, "normal", "false alarm"), (board.n_abnormal, "defective", "miss")):
        if n > 0 and (most := at_most(0, n)) > FEW:
            said.append(
                f"Few images: {n} {what} ones; even with no {wrong} among them {percent(most)} % would be possible."
            )
    if not found.promised:
        said.append(
            "Its limit promises no rate of false alarms: for that, hold images back (--holdout 0.2, or --calibrate "
            "crossfit) and use the threshold conformal."
        )
    if found.tied and found.next_best is not None:
        said.append(f"These images do not tell it from {names[found.next_best.method]}.")
    if any(verdict.trial.weights == "random" for verdict in behind(line)):
        said.append("Its features are random; with published weights others may be better.")
    said += sorted({incomplete for verdict in behind(line) if (incomplete := verdict.outcome.record.incomplete)})
    if found.rows > 1:
        said.append("It was chosen by the images that it is counted on, so expect a little more errors on new ones.")
    return said


def _rows(found: Answered, names: dict[Method, str]) -> list[Json]:
    """The chosen row, the best of other methods at the same threshold, and floors."""
    board, chosen = found.board, found.line
    others = [found.next_best] if found.next_best else []
    for line in board.lines:
        known = {one.method[:3] for one in (chosen, *others)}
        if line.rank is not None and line.method.threshold == chosen.method.threshold and line.method[:3] not in known:
            others.append(line)
    floors = [line for line in board.fitted_floors if line.method.threshold == chosen.method.threshold]
    shown = [
        (chosen, "chosen"),
        *((line, "other") for line in others[: _SHOWN - 1]),
        *((line, "floor") for line in floors[:1]),
    ]
    return [row for line, kind in shown if (row := _row(line, kind, names))]


def _row(line: BoardRow, kind: str, names: dict[Method, str]) -> Json | None:
    rates = [rate_with_interval(line, normal=normal) for normal in (True, False)]
    if None in rates:
        return None
    return {"name": names[line.method], "kind": kind, "false_alarms": rates[0], "misses": rates[1]}
