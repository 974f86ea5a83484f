"""What each convention does to figures and rankings: over categories, by category, and what could not be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from harness.api import Threshold
from harness.conventions import AUPRO, Convention, Effect, Judged, Models, effects, judged
from harness.conventions.choices import NEVER, USUAL
from harness.metrics.pools import EVERY_POOL
from harness.plugin.in_process import choose
from harness.plugin.spec import spell
from harness.printable import counted
from harness.report.board_notes import HEADINGS
from harness.report.metric_names import in_words
from harness.report.protocols import with_protocols
from harness.report.table import Document, Row, Table
from harness.trials import hardware
from harness.trials.models_folder import models_of
from harness.trials.settings import SETTINGS
from harness.trials.trial import Protocol, named, spelt

if TYPE_CHECKING:
    from harness.report.source import Source

COLUMNS = (
    "dataset",
    "image_size",
    "category",
    "model",
    "encoder",
    "loss",
    "epochs",
    "holdout",
    "versions",
    "convention",
    "choice",
    "takes",
    "figure",
    "usual",
    "value",
    "change",
    "rank_correlation",
    "swapped_pairs",
    "pairs",
    "fingerprint",
)
SHOWN = ("auroc", "balanced_accuracy", "pixel_auroc", "pixel_average_precision", "aupro")
"""The figures that people are shown; programs get all."""
_SAID = (
    "mean change: the figure under this one convention less the harness's own, on average over methods; furthest: of "
    "the method that moves most; rank: rank correlation of the methods before and after; swapped: pairs of methods "
    "that change places."
)
_NO_LIMITS = (
    "Where error maps are changed, limits would take the maps of calibration images too: no decisions are told."
)
_HEADINGS = ["convention", "figure", "mean change", "furthest", "rank", "swapped", "pairs"]


def judged_under(source: Source, threshold: Any, data_root: Path | None, device: str) -> list[Judged]:
    """Every finished trial of a store or an export under each convention that can be told of it. Raises UsageError."""
    (chosen,) = choose(source.registry, Threshold, SETTINGS["thresholds"].read(threshold, "threshold"))
    verdicts = source.judged(("all",), (EVERY_POOL,), with_pixels=True)
    if source.is_export:
        return judged(verdicts, spell(chosen), None)
    models = Models(models_of(source.path), source.registry, data_root, hardware.device(device))
    return judged(verdicts, spell(chosen), models)


def conventions_document(trials: Sequence[Judged]) -> Document:
    """For people, tables of effects; for programs, a row a method, convention and figure."""
    found = effects(trials)
    return Document(
        tables=lambda: list(_tables(found)),
        rows=lambda: list(_rows(found)),
        columns=with_protocols(COLUMNS, (effect.data.protocol for effect in found)),
        remarks=[_remarks(trials, found)],
    )


def _tables(found: Sequence[Effect]) -> Iterator[Table]:
    shown = [effect for effect in found if effect.figure in SHOWN]
    tracks = dict.fromkeys(_track(effect) for effect in shown)
    for dataset, size, protocol in tracks:
        own = [effect for effect in shown if _track(effect) == (dataset, size, protocol)]
        by_category: dict[str, list[Effect]] = {}
        for effect in own:
            by_category.setdefault(f"{effect.data.category} {effect.data.fingerprint}", []).append(effect)
        track = " · ".join(filter(None, (f"{dataset} {size}x{size}", spelt(protocol))))
        if len(by_category) > 1:
            yield _over_categories(f"{track} · {len(by_category)} categories together", own)
        for group in by_category.values():
            methods = max(len(effect.values) for effect in group)
            rows = [_row([effect]) for effect in group]
            yield _table(f"{track} · {group[0].data.category} · {methods} methods", rows)


def _track(effect: Effect) -> tuple[str, int, Protocol]:
    return effect.data.dataset, effect.data.image_size, effect.data.protocol


def _over_categories(title: str, found: Sequence[Effect]) -> Table:
    groups: dict[tuple[Convention, str], list[Effect]] = {}
    for effect in found:
        groups.setdefault((effect.convention, effect.figure), []).append(effect)
    return _table(title, [_row(group) for group in groups.values()])


def _row(group: Sequence[Effect]) -> list[str]:
    """One convention and figure, on one category or over several."""
    correlations = [effect.rank_correlation for effect in group]
    known = [value for value in correlations if value is not None]
    furthest = max((effect.furthest for effect in group), key=abs)
    return [
        group[0].convention.words,
        {**HEADINGS, AUPRO: "AUPRO"}.get(group[0].figure, in_words(group[0].figure)),
        f"{fmean(effect.mean for effect in group):+.3f}",
        f"{furthest:+.3f}",
        f"{fmean(known):.2f}" if known else "",
        str(sum(effect.swapped for effect in group)),
        str(sum(effect.pairs for effect in group)),
    ]


def _table(title: str, rows: list[list[str]]) -> Table:
    return Table(
        title=title,
        headings=_HEADINGS,
        rows=rows,
        numbers=frozenset(_HEADINGS[2:]),
        droppable=("pairs", "furthest"),
        folding=frozenset({"convention"}),
    )


def _rows(found: Sequence[Effect]) -> Iterator[Row]:
    for effect in found:
        data, convention = effect.data, effect.convention
        for method, (usual, under) in effect.values.items():
            yield {
                "dataset": data.dataset,
                "image_size": data.image_size,
                **named(data.protocol),
                "category": data.category,
                **{name: getattr(method, name) for name in ("model", "encoder", "loss")},
                **{name: getattr(method, name) for name in ("epochs", "holdout", "versions")},
                "convention": convention.axis,
                "choice": convention.choice,
                "takes": convention.takes,
                "figure": effect.figure,
                "usual": usual,
                "value": under,
                "change": under - usual,
                "rank_correlation": effect.rank_correlation,
                "swapped_pairs": effect.swapped,
                "pairs": effect.pairs,
                "fingerprint": data.fingerprint,
            }


def _remarks(trials: Sequence[Judged], found: Sequence[Effect]) -> list[str]:
    remarks = [_SAID] if found else []
    axes = dict.fromkeys(effect.convention.axis for effect in found)
    if axes:
        usual = "; ".join(f"{axis}: {USUAL[axis]}" for axis in axes)
        remarks.append(f"The harness's own conventions: {usual}.")
    reasons: dict[str, list[str]] = {}
    for one in trials:
        for reason in one.unsaid:
            trial = one.usual.trial
            reasons.setdefault(reason, []).append(trial.title)
    if any(effect.convention.takes == "error maps" and effect.figure == "auroc" for effect in found):
        remarks.append(_NO_LIMITS)
    for reason, cells in reasons.items():
        some = "; ".join(cells[:3]) + (f" and {len(cells) - 3} more" if len(cells) > 3 else "")
        remarks.append(f"Not all could be told of {counted(len(cells), 'trial')}, as {reason}: {some}.")
    remarks.append(f"Nothing can be told of: {', '.join(NEVER)}, as checkpoints are not kept.")
    return remarks
