"""Static pages of a folder of exports: an index, and a page for each data set with all rows and their provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UsageError
from harness.plugin.registry import Registry
from harness.report import verified
from harness.report.html import style_hash, template
from harness.report.source import Source
from harness.trials.repeat import command_of
from harness.trials.trial import Protocol, spelt
from harness.verdicts.leaderboard import Board, boards
from harness.verdicts.methods import Method, labels, method_of
from harness.verdicts.rows import BoardRow
from harness.verdicts.verdict import Verdict

METRICS = ("balanced_accuracy", "accuracy", "f1", "auroc", "average_precision")
HEADINGS = ("balanced", "accuracy", "F1", "AUROC", "AP")
_PROOF = {"": "recomputed", "recomputed": "recomputed", "limit stated": "limit stated", "stated": "as stated"}


class SiteRow(NamedTuple):
    """A row of a board."""

    rank: int | None
    method: str
    full: str
    """Its parts as they are typed."""
    category: str
    size: int
    pool: str
    threshold: str
    oracle: bool
    seeds: int
    figures: Sequence[tuple[float | None, str, str]]
    """Value, text and 95 % interval of each of METRICS."""
    proof: str
    verified: str
    verified_by: str
    file: str
    trials: Sequence[str]
    """The names of the places below where its trials are described."""


class Made(NamedTuple):
    """How a trial came about."""

    place: str
    trial: str
    title: str
    category: str
    seed: int
    file: str
    data: str
    finished: str
    seconds: str
    machine: str
    versions: str
    plugins: str
    scores: str
    checked: str
    holds: bool
    """Whether it was verified."""
    command: str


@dataclass(frozen=True)
class Page:
    """All results on one data set."""

    dataset: str
    file: str
    lines: Sequence[SiteRow]
    made: Sequence[Made]
    verified: str
    grave: Sequence[str]
    """What makes results on some images doubtful, a sentence for each finding."""

    @property
    def values(self) -> Mapping[str, Sequence[str]]:
        """What rows can be filtered by."""
        names = ("category", "threshold", "pool", "proof")
        return {name: sorted({str(getattr(line, name)) for line in self.lines}) for name in names}


def site(folder: Path, registry: Registry, trust: Sequence[Path] = ()) -> tuple[dict[str, str], list[str], list[str]]:
    """File name to content of each page, what was left out of the exports, and what is wrong with notes.

    Raises UsageError where there is no export.
    """
    exports = sorted(folder.glob("*.jsonl"))
    if not exports:
        raise UsageError(f"{str(folder)!r} has no export (*.jsonl): `harness export --out FILE` writes one")
    sources = [Source.of(file, registry, trust) for file in exports]
    by_data: dict[str, list[tuple[str, list[Verdict]]]] = {}
    for source in sources:
        done = [v for v in source.exported if v.status == "done" and not v.outcome.record.floor]
        for dataset in sorted({verdict.trial.dataset for verdict in done}):
            own = [verdict for verdict in done if verdict.trial.dataset == dataset]
            by_data.setdefault(dataset, []).append((source.path.name, own))
    names = _file_names(by_data)
    pages = [_page(dataset, names[dataset], found) for dataset, found in sorted(by_data.items())]
    faults = [fault for source in sources for fault in source.faults]
    notes = [fault for source in sources for fault in source.notes.faults]
    contents = {page.file: _rendered("site_dataset.html.j2", page=page, headings=HEADINGS) for page in pages}
    contents["index.html"] = _rendered("site_index.html.j2", pages=pages, files=[file.name for file in exports])
    return contents, faults, notes


def _file_names(datasets: Mapping[str, Any]) -> dict[str, str]:
    """A name for each page that any file system and link can take, and no two share."""
    names: dict[str, str] = {}
    for at, dataset in enumerate(sorted(datasets), 1):
        plain = re.sub(r"[^a-z0-9_]+", "-", dataset.lower()).strip("-")[:60] or "data"
        taken = {name.lower() for name in names.values()} | {"index.html"}
        names[dataset] = f"{plain}.html" if f"{plain}.html" not in taken else f"{plain}-{at}.html"
    return names


def _page(dataset: str, name: str, found: Sequence[tuple[str, list[Verdict]]]) -> Page:
    lines: list[SiteRow] = []
    made: dict[str, Made] = {}
    grave: dict[tuple[str, str], str] = {}
    for file, verdicts in found:
        by_threshold: dict[str, list[Verdict]] = {}
        for verdict in verdicts:
            by_threshold.setdefault(verdict.threshold, []).append(verdict)
        every = (board for judged in by_threshold.values() for board in boards(judged))
        ranked = [board for board in every if board.category is not None]
        titles = labels(line.method._replace(pool="", threshold="") for board in ranked for line in board.lines)
        for board in ranked:
            for note in board.notes:
                if note.startswith("GRAVE "):  # of one finding, as several runs tell it, who says most
                    finding = board.category or "", note.partition(":")[0]
                    grave[finding] = max(grave.get(finding, ""), f"{board.category}: {note}", key=len)
            lines += [_row(board, line, titles, file) for line in board.lines]
        by_trial: dict[str, list[Verdict]] = {}
        for verdict in verdicts:
            by_trial.setdefault(_place(file, verdict), []).append(verdict)
        made |= {place: _made(place, file, own, titles) for place, own in by_trial.items()}
    lines.sort(
        key=lambda line: (line.category, line.size, line.oracle, line.proof != "recomputed", line.rank or len(lines))
    )
    held = sum(place.holds for place in made.values())
    return Page(dataset, name, lines, list(made.values()), f"{held} of {len(made)}", list(grave.values()))


def _row(board: Board, line: BoardRow, titles: Mapping[Method, str], file: str) -> SiteRow:
    proofs = {_PROOF[verdict.proof] for verdict in line.verdicts}
    return SiteRow(
        rank=line.rank,
        method=_called(titles[line.method._replace(pool="", threshold="")], board.track.protocol),
        full=line.method.title,
        category=board.category or "",
        size=board.track.image_size,
        pool=line.method.pool,
        threshold=line.method.threshold,
        oracle=board.track.oracle,
        seeds=line.seeds,
        figures=[_figure(line, metric) for metric in METRICS],
        proof=max(proofs, key=list(_PROOF.values()).index),
        verified=verified.of_line(line),
        verified_by=", ".join(sorted({v.checked.by for v in line.verdicts if v.checked})),
        file=file,
        trials=[_place(file, verdict) for verdict in line.verdicts],
    )


def _called(title: str, protocol: Protocol) -> str:
    return ", ".join(filter(None, (title, spelt(protocol))))


def _figure(line: BoardRow, metric: str) -> tuple[float | None, str, str]:
    mean = line.mean(metric)
    bounds = line.verdict.interval(metric) if line.verdict else None
    said = f"{bounds[0]:.2f} to {bounds[1]:.2f}" if bounds else ""
    return (None, "", "") if mean is None else (mean, f"{mean:.3f}", said)


def _place(file: str, verdict: Verdict) -> str:
    return f"{Path(file).stem}-{verdict.outcome.id}"


def _made(place: str, file: str, verdicts: Sequence[Verdict], titles: Mapping[Method, str]) -> Made:
    verdict = verdicts[0]
    record, trial = verdict.outcome.record, verdict.trial
    hashes = {one.pool: one.images.scores() or "none" for one in verdicts}
    checked = sorted(
        {f"{one.checked.result}, by {one.checked.by}, {one.checked.at}" for one in verdicts if one.checked}
    )
    return Made(
        place,
        verdict.outcome.id,
        _called(titles[method_of(verdict)._replace(pool="", threshold="")], trial.protocol),
        trial.category,
        trial.seed,
        file,
        verdict.outcome.fingerprint,
        record.finished_at[:16].replace("T", " "),
        "" if record.fit_seconds is None else f"{record.fit_seconds:.1f}",
        _said(record.machine),
        _said(record.versions),
        _said(record.plugins),
        _said(hashes),
        "; ".join(checked),
        all(one.verified for one in verdicts),
        command_of(trial, ("synthetic",)),
    )


def _said(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _rendered(name: str, **shown: Any) -> str:
    folder = files("harness.report") / "templates"
    style, script = ((folder / f"site.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; style-src {style_hash(style)}; script-src {style_hash(script)}"
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return template(name).render(
        **shown, style=style, script=script, policy=f"{policy}; base-uri 'none'; form-action 'none'", written=written
    )


def pages_in_order(contents: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The index last, so that a folder never has one without its pages."""
    yield from sorted(contents.items(), key=lambda item: item[0] == "index.html")
