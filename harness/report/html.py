"""One HTML file that opens from a disk: the leaderboard, the images behind it, and how each row was made."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from statistics import fmean
from typing import Any, NamedTuple

from harness.metrics.significance import critical_difference
from harness.published.comparison import Compared, Comparison
from harness.report.cases import Json, case_of, cases, name_plainly, title_of
from harness.report.comparison import comparison_tables
from harness.report.leaderboard import FLOOR_MARK, HEADINGS, heading_of
from harness.report.repeat import command_of
from harness.trials.latencies import Setting
from harness.trials.store import Store
from harness.trials.trial import UNUSED
from harness.verdicts.leaderboard import RANKED_BY, Board, BoardRow, Method, Track, boards, merit, unfinished
from harness.verdicts.speed import common_setting, median_latency
from harness.verdicts.verdict import PIXEL_METRICS, Verdict

MEAN = "mean over categories"
_BOUNDED = ("accuracy", "auroc")
_FEWEST_RANKED = 3
"""Methods that a critical difference is told of, at least."""


class Cell(NamedTuple):
    """A figure of the leaderboard: what is sorted by, and what is read."""

    value: float | None
    text: str
    bounds: str = ""
    """Its interval, or its spread over seeds."""
    published: Sequence[Comparison] = ()
    """What sources print for it, under the same protocol."""


class Entry(NamedTuple):
    """A row of the leaderboard."""

    board: int
    category: str
    track: str
    data: str
    method: str
    threshold: str
    rank: int | None
    floor: bool
    oracle: bool
    beats_floors: bool
    cells: Sequence[Cell]
    case: str
    """What it opens; empty for a floor."""
    notes: Sequence[str]


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
) -> str:
    """The whole file, with published numbers beside ours where they were compared.

    Nothing in it is fetched, and no name that it shows can run.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    done = [verdict for verdict in verdicts if verdict.status == "done"]
    ranked = boards(done, ranked_by)
    names = name_plainly(done)
    beside = _Beside(compared.comparisons if compared else ())
    setting = common_setting(verdict.outcome for verdict in done)
    columns = {metric: heading_of(ranked[0], metric) for metric in (*HEADINGS, ranked_by, *metrics)}
    shown = _Shown(names, beside, setting, list(columns))
    entries = [entry for at, board in enumerate(ranked) for entry in _entries(at, board, shown)]
    made, environments = _provenance(done, names, rootless)
    content = cases(done, store, names)
    content["ranked_by"] = list(columns).index(ranked_by)
    content["columns"] = {"seconds": len(columns) + 1, "latency": None if setting is None else len(columns) + 2}
    content["critical"] = _critical_differences(ranked, names, ranked_by)
    templates = files("harness.report") / "templates"
    style, script = ((templates / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        headings=[*columns.values(), "AUPRO", "fit s", *["latency ms"] * (setting is not None)],
        setting=setting,
        bounded=[*columns].index("accuracy"),
        ranked_by=ranked_by.replace("_", " "),
        mark=FLOOR_MARK,
        entries=entries,
        categories=_distinct(entry.category for entry in entries),
        tracks=_distinct(entry.track for entry in entries),
        sources=_distinct(entry.data for entry in entries),
        thresholds=_distinct(entry.threshold for entry in entries if entry.threshold),
        trials=len({verdict.outcome.id for verdict in done}),
        methods=len({verdict.trial.method for verdict in done}),
        random=any(verdict.trial.weights == "random" for verdict in done),
        unfinished=sorted(unfinished(verdicts).items()),
        comparison=comparison_tables(compared) if compared else None,
        source=compared.table if compared else None,
        made=made,
        environments=environments,
        content=content,
    )


def _hash(text: str) -> str:
    """As a content security policy names the one script, or style, that may be used."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


def _data_of(track: Track) -> str:
    return f"{track.dataset} · {track.image_size} px"


class _Shown(NamedTuple):
    """What all boards of a page have in common."""

    names: Mapping[Method, str]
    beside: _Beside
    setting: Setting | None
    """Of the latencies, where any were measured."""
    metrics: Sequence[str]


def _entries(at: int, board: Board, shown: _Shown) -> list[Entry]:
    track = "test labels: oracle" if board.track.oracle else "normal images"
    place = (at, board.category or MEAN, track, _data_of(board.track))
    found = [
        Entry(
            *place,
            method=shown.names[line.method._replace(threshold="")],
            threshold=line.method.threshold,
            rank=line.rank,
            floor=False,
            oracle=board.track.oracle,
            beats_floors=line.beats_floors,
            cells=[*(_cell(line, metric, shown.beside) for metric in shown.metrics), *_measured(line, shown.setting)],
            case=case_of(_behind(line)[0]),
            notes=_notes(board, line),
        )
        for line in board.lines
    ]
    for name, floor in board.floors.items():
        known = [floor.get(metric) for metric in shown.metrics]
        cells = [Cell(None, "") if value is None else Cell(value, f"{value:.3f}") for value in known]
        cells += [Cell(None, "")] * (2 if shown.setting is None else 3)
        found.append(Entry(*place, name, "", None, True, board.track.oracle, True, cells, "", ()))
    return found


def _behind(line: BoardRow) -> list[Verdict]:
    """The verdicts of a line, of all its categories, seed by seed."""
    return [verdict for part in line.parts or [line] for verdict in part.verdicts]


class _Beside:
    """Finds the published numbers that may stand beside a line's: same data, same settings, same protocol."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self._found: dict[tuple[str, str], list[Comparison]] = {}
        for comparison in comparisons:
            if comparison.verdict != "not comparable":
                data = comparison.verdicts[0].outcome.fingerprint
                self._found.setdefault((data, comparison.metric), []).append(comparison)

    def __call__(self, line: BoardRow, metric: str) -> list[Comparison]:
        """None beside means over categories."""
        if not line.verdicts:
            return []
        return [
            comparison
            for comparison in self._found.get((line.verdicts[0].outcome.fingerprint, metric), ())
            if all(one in (other, UNUSED) for one, other in zip(comparison.method, line.method, strict=True))
        ]


def _cell(line: BoardRow, metric: str, beside: _Beside) -> Cell:
    found = line.stats.get(metric)
    if found is None:
        return Cell(None, "")
    interval = line.verdict.interval(metric) if line.verdict and metric in _BOUNDED else None
    bounds = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
    if not interval and metric in _BOUNDED and found.sd is not None:
        bounds = f"{found.low:.2f} to {found.high:.2f}"
    return Cell(found.mean, f"{found.mean:.3f}", bounds, beside(line, metric))


def _measured(line: BoardRow, setting: Setting | None) -> list[Cell]:
    """Means of the pixel metric, of the seconds of a fit, and of the latency where any was measured."""
    behind = _behind(line)
    seconds = [float(s) for verdict in behind if (s := verdict.outcome.record.fit_seconds) is not None]
    overlaps = [overlap for verdict in behind if (overlap := verdict.metric(PIXEL_METRICS[0])) is not None]
    columns = [(overlaps, "{:.3f}"), (seconds, "{:.1f}")]
    if setting is not None:
        latency = median_latency(line.outcomes, setting)
        columns.append(([] if latency is None else [latency], "{:.3g}"))
    return [Cell(fmean(values), form.format(fmean(values))) if values else Cell(None, "") for values, form in columns]


def _notes(board: Board, line: BoardRow) -> list[str]:
    notes = []
    if line.categories < len(board.parts):
        notes.append(f"{line.categories} of {len(board.parts)} categories, so not ranked")
    if line.seeds > 1:
        notes.append(f"{line.seeds} seeds")
    if line.outlying_seeds:
        notes.append(f"far from the others: seed {', '.join(map(str, line.outlying_seeds))}")
    return notes


def _critical_differences(ranked: Sequence[Board], names: Mapping[Method, str], metric: str) -> list[Json]:
    """For each overall board, threshold by threshold, the mean ranks of its methods over categories."""
    found = []
    for at, board in enumerate(ranked):
        for threshold in _distinct(line.method.threshold for line in board.lines if board.parts):
            means = [
                {line.method: merit(line, metric) for line in part.lines if metric in line.stats}
                for part in board.parts
            ]
            methods = [
                line.method for line in board.lines if line.rank is not None and line.method.threshold == threshold
            ]
            values = {
                names[m._replace(threshold="")]: [by[m] for by in means]
                for m in methods
                if all(m in by for by in means)
            }
            if len(values) < _FEWEST_RANKED:
                continue
            tested = critical_difference(values)
            found.append(
                {
                    "board": at,
                    "threshold": threshold,
                    "ranks": list(tested.ranks.items()),
                    "distance": tested.distance,
                    "p": tested.p,
                    "categories": len(means),
                }
            )
    return found


def _provenance(
    done: Sequence[Verdict], names: Mapping[Method, str], rootless: Collection[str]
) -> tuple[list[Made], list[dict[str, str]]]:
    """How each trial was made, and the environments that they name by number."""
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
