"""One HTML file that opens from a disk: the leaderboard, the images behind it, and how each row was made."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.printable import printable
from harness.published.comparison import Compared
from harness.report.alarms import FALSE_ALARMS, MISSES
from harness.report.answer import Answer, answers_of
from harness.report.board_notes import FITTED_FLOOR_MARK, FLOOR_MARK, HEADINGS, MARKS, heading_of
from harness.report.cases import cases, name_plainly, title_of
from harness.report.comparison import comparison_tables
from harness.report.corrupted import NOTE, drawn_changes
from harness.report.curves import drawn_curves
from harness.report.entries import PublishedNumbers, Shared, critical_differences, entries_of
from harness.report.metric_names import in_words
from harness.report.protocols import data_together
from harness.report.script import script
from harness.trials.repeat import command_of
from harness.trials.store import Store
from harness.verdicts.leaderboard import Board, boards, unfinished
from harness.verdicts.methods import Method
from harness.verdicts.rows import RANKED_BY
from harness.verdicts.speed import common_setting
from harness.verdicts.verdict import Verdict

if TYPE_CHECKING:
    from jinja2 import Template


WRONG = (FALSE_ALARMS, MISSES)
_SPARE = ("normal", "abnormal", "F1", "AP")
"""Columns that smaller windows have no room for: the first two are told by false alarms and misses."""
"""The first columns of figures."""


class Made(NamedTuple):
    """How a trial was made."""

    dataset: str
    category: str
    method: str
    seed: int
    fingerprint: str
    finished: str
    seconds: str
    environment: int
    incomplete: str
    command: str


def page(
    verdicts: Sequence[Verdict],
    store: Store,
    *,
    ranked_by: str = RANKED_BY,
    metrics: Sequence[str] = (),
    rootless: Collection[str] = (),
    title: str = "Anomaly detectors compared",
    compared: Compared | None = None,
    scope: str = "",
) -> str:
    """The whole file, with published numbers beside ours where they were compared; `scope` says what it leaves out.

    It fetches nothing, and names of strangers that it shows cannot be executed.
    """
    style = (files("harness.report") / "templates" / "report.css").read_text(encoding="utf-8")
    return template("report.html.j2").render(
        **_context(verdicts, store, ranked_by, metrics, rootless, compared),
        title=title,
        scope=scope,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=style,
        script=script(),
        policy=f"default-src 'none'; img-src data:; style-src {style_hash(style)}; script-src {style_hash(script())}",
    )


def template(name: str) -> Template:
    """A template of this room, which escapes whatever it shows."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )
    return environment.get_template(name)


def _seen(value: Any) -> Any:
    """Text without characters that nobody sees and that turn what follows around; markup of our own as it is."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(one if one in "\n\t" else printable(one) for one in value)


def _headed(metrics: Sequence[str], ranked_by: int, *, measured: bool) -> dict[str, Any]:
    """The board's headings, and which columns a phone shows (`key`) and which a tablet has no room for (`spare`)."""
    headings = [*WRONG, *metrics, "AUPRO", "fit s", *["latency ms", "memory MB"] * measured]
    key = {0, 1, ranked_by}
    spare = [heading in _SPARE and place not in key for place, heading in enumerate(headings)]
    return {
        "headings": headings,
        "spare": [heading for heading, left_out in zip(headings, spare, strict=True) if left_out],
        "column_class": [" key" if place in key else " spare" * spare[place] for place in range(len(headings))],
    }


def _context(
    verdicts: Sequence[Verdict],
    store: Store,
    ranked_by: str,
    metrics: Sequence[str],
    rootless: Collection[str],
    compared: Compared | None,
) -> dict[str, Any]:
    """What the template shows of these results."""
    done = [verdict for verdict in verdicts if verdict.status == "done"]
    ranked = boards(done, ranked_by)
    names = name_plainly(done)
    setting = common_setting(verdict.outcome for verdict in done)
    columns = {metric: heading_of(ranked[0] if ranked else None, metric) for metric in (*HEADINGS, ranked_by, *metrics)}
    shared = Shared(names, PublishedNumbers(compared.comparisons if compared else ()), setting, list(columns))
    answers = answers_of(ranked, ranked_by)
    entries = [entry for at, board in enumerate(ranked) for entry in entries_of(at, board, shared, ranked_by)]
    made, environments = _provenance(done, names, rootless)
    content = {**cases(done, store, names), **_pictured(ranked, answers, names, ranked_by)}
    at = len(WRONG) + len(columns) + 1
    content["ranked_by"] = len(WRONG) + list(columns).index(ranked_by)
    measured = {"latency": at + 1, "memory": at + 2} if setting is not None else {"latency": None, "memory": None}
    content["columns"] = {"seconds": at, **measured}
    return {
        **_headed(list(columns.values()), content["ranked_by"], measured=setting is not None),
        "answers": answers,
        "setting": setting,
        "ranked_by": in_words(ranked_by),
        "mark": FLOOR_MARK,
        "fitted_mark": FITTED_FLOOR_MARK,
        "meaning": MARKS,
        "entries": entries,
        "categories": _distinct(entry.category for entry in entries),
        "tracks": _distinct(entry.track for entry in entries),
        "sources": _distinct(entry.data for entry in entries),
        "facts": data_together(board.track for board in ranked),
        "thresholds": _distinct(entry.threshold for entry in entries if entry.threshold),
        "trials": len({verdict.outcome.id for verdict in done if not verdict.outcome.record.floor}),
        "methods": len({verdict.trial.method for verdict in done if not verdict.outcome.record.floor}),
        "random": any(verdict.trial.weights == "random" or verdict.trial.random_features for verdict in done),
        "corrupted": bool(content["corrupted"]),
        "corrupted_note": NOTE,
        "unfinished": sorted(unfinished(verdicts).items()),
        "comparison": comparison_tables(compared) if compared else None,
        "source": compared.table if compared else None,
        "made": made,
        "environments": environments,
        "content": _spelt_out(content),
    }


def _spelt_out(value: Any) -> Any:
    """The same content for the page's script, whose names are shown as those of the template are."""
    if isinstance(value, Mapping):
        return {_seen(name): _spelt_out(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        named = not all(isinstance(one, int | float) for one in value)  # most are long lists of scores
        return list(map(_spelt_out, value)) if named else value
    return _seen(value)


def _pictured(
    ranked: Sequence[Board], answers: Sequence[Answer], names: Mapping[Method, str], ranked_by: str
) -> dict[str, Any]:
    """What the page's script draws of all boards."""
    return {
        "answers": [answer.content for answer in answers],
        "curves": drawn_curves(ranked, ranked_by),
        "corrupted": drawn_changes(ranked, names),
        "critical": critical_differences(ranked, names, ranked_by),
    }


def style_hash(text: str) -> str:
    """The digest by which a content security policy allows this one script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


def _provenance(
    done: Sequence[Verdict], names: Mapping[Method, str], rootless: Collection[str]
) -> tuple[list[Made], list[dict[str, str]]]:
    """How each trial was made, and the environments to which the trials refer by number."""
    environments: list[dict[str, str]] = []
    made = []
    for verdict in {verdict.outcome.id: verdict for verdict in done}.values():
        record, trial = verdict.outcome.record, verdict.trial
        described = {**record.machine, **record.versions}
        environment = {name: str(value) for name, value in described.items()}
        if environment not in environments:
            environments.append(environment)
        seconds = record.fit_seconds
        made.append(
            Made(
                trial.dataset,
                trial.category,
                title_of(verdict, names),
                trial.seed,
                verdict.outcome.fingerprint,
                record.finished_at[:16].replace("T", " "),
                "" if seconds is None else f"{seconds:.1f}",
                environments.index(environment) + 1,
                record.incomplete,
                command_of(trial, rootless),
            )
        )
    return made, environments
