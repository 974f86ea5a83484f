"""The metrics that somebody wants beside those that every verdict has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.api import Metric, Part, PixelMetric
from harness.errors import UsageError, unknown_name
from harness.metrics.measured import Measured
from harness.plugin.registry import Registry
from harness.plugin.spec import parse, spell, split_list
from harness.verdicts.judging import ScoredImages
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict


@dataclass(frozen=True)
class AskedMetrics:
    """Names of metrics, and the parts that work out those which not every verdict has."""

    names: tuple[str, ...]
    parts: tuple[Metric, ...]

    @property
    def of_pixels(self) -> bool:
        """Whether one of them is worked out from pixel evidence."""
        return any(isinstance(part, PixelMetric) for part in self.parts)


def asked_metrics(registry: Registry, texts: Iterable[str]) -> AskedMetrics:
    """The metrics that are spelt so, or `all` that plugins offer. Raises UsageError with a suggestion."""
    offers, texts = registry.offers(Metric), tuple(texts)
    for text in texts:
        if not text.strip(" ,"):
            raise UsageError(f"no metric in {text!r}: expected a comma list, or 'all'")
    spelt = [item for text in texts for item in (offers if text.strip() == "all" else split_list(text))]
    names: dict[str, None] = {}
    parts: dict[str, Metric] = {}
    for text in spelt:
        if text in METRICS or text in PIXEL_METRICS:
            names[text] = None
            continue
        if parse(text)[0] not in offers:
            raise UsageError(unknown_name("metric", text, {*METRICS, *PIXEL_METRICS, *offers}))
        part = registry.make(Metric, text)
        names[spell(part)] = None
        parts[spell(part)] = part
    return AskedMetrics(tuple(names), tuple(parts.values()))


def spelt_as(one: str | Part | type[Part]) -> str:
    """A metric as text, however it was given."""
    return one if isinstance(one, str) else spell(one) if isinstance(one, Part) else one.name


def with_metrics(verdict: Verdict, parts: Sequence[Metric]) -> Verdict:
    """A verdict that was read from a row, with what these metrics make of its counts, its scores, and what it says."""
    if not parts:
        return verdict
    given = verdict.measured.given if verdict.measured else None
    ranking = verdict.images.ranking() if isinstance(verdict.images, ScoredImages) else None
    return replace(verdict, measured=Measured(parts, ranking, given))


def metric_faults(verdicts: Sequence[Verdict], names: Iterable[str]) -> list[str]:
    """What is wrong with metrics that were asked for, once each: one line for a person."""
    found: dict[str, str] = {}
    for name in names:
        for verdict in verdicts:
            if verdict.status == "done" and verdict.measured is not None:
                verdict.metric(name)
                if name in verdict.measured.faults:
                    found.setdefault(name, verdict.measured.faults[name])
        if earlier := sum(verdict.earlier(name) for verdict in verdicts):
            found[name] = (
                f"{earlier} verdicts have an earlier definition of it, and are not ranked by it: fit them again"
            )
        done = [verdict for verdict in verdicts if verdict.status == "done"]
        pixels, undefined = _is_of_pixels(verdicts, name), all(verdict.metric(name) is None for verdict in done)
        if pixels and (older := len({verdict.outcome.id for verdict in done if _lacks_counts(verdict)})):
            found.setdefault(name, f"{older} {'trial' if older == 1 else 'trials'} {_BEFORE_COUNTS}")
        elif done and undefined:
            here = all(verdict.measured.of_scores if verdict.measured else not verdict.proof for verdict in done)
            found.setdefault(name, _MISSING_PIXELS if pixels else _UNDEFINED if here else _MISSING)
    return [f"metric {name}: {fault}" for name, fault in found.items()]


_MISSING = "no verdict here has it: an export holds those that it was written with"
_UNDEFINED = "it is not defined (nan) for any verdict here, as where all test images are of one class"
_MISSING_PIXELS = (
    "no verdict here has it: it takes error maps and masks, and images of that defect kind if one is asked for; an "
    "export holds the metrics that it was written with"
)
_BEFORE_COUNTS = (
    "here were stored before the counts of pixels were kept that it is made from. `harness run` with the same settings "
    "and this one in --metrics fits them again for these"
)


def _lacks_counts(verdict: Verdict) -> bool:
    """Whether a trial of a store has pixel metrics, but none of the counts that others could be made from."""
    measured = verdict.measured
    return bool(measured and measured.of_scores and not measured.has_pixels and verdict.outcome.record.pixels)


def _is_of_pixels(verdicts: Sequence[Verdict], name: str) -> bool:
    parts = [verdict.measured.metrics.get(name) for verdict in verdicts if verdict.measured]
    return any(isinstance(part, PixelMetric) for part in parts)
