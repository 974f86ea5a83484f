"""Each trial's figures as the harness judges them, and under every convention that can be told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.api import Dataset, Region
from harness.conventions.choices import AS_STATED, Convention, Figures
from harness.conventions.rescored import Rescored, Shown, rescored
from harness.conventions.stored import image_figures, pixel_figures, stored_conventions, usual_verdict
from harness.deployment import loading
from harness.errors import HarnessError
from harness.images.framing import STRETCH
from harness.plugin.registry import Registry
from harness.trials.datasets import load, open_dataset
from harness.trials.protocols.axes import presented
from harness.trials.saved_model import find
from harness.trials.trial import Protocol, Trial
from harness.verdicts.verdict import Verdict

ALIKE = 1e-3
"""Scores of a kept model may be so far from the stored ones, as a share of their range, before it is said."""


@dataclass(frozen=True)
class Judged:
    """One trial under conventions."""

    usual: Verdict
    """By the pool that its model suits and the threshold that is asked for."""
    figures: Figures
    """Its figures as the harness judges."""
    found: Mapping[Convention, Figures]
    unsaid: Sequence[str] = ()
    """Why some conventions could not be told of it, one sentence each."""


@dataclass
class Models:
    """Kept models and the images to score with them. It keeps the category it loaded last."""

    folder: Path
    registry: Registry
    data_root: Path | None = None
    device: str = "cpu"
    _loaded: tuple[tuple[str, str, int, Protocol], Shown] | None = field(default=None, repr=False)

    def rescored(self, usual: Verdict) -> Rescored:
        """What a trial's kept model makes of the conventions that take error maps. Raises HarnessError."""
        outcome, evidence = usual.outcome, usual.outcome.evidence
        directory = find(self.folder, outcome.id)
        if directory is None or evidence is None:
            return Rescored((), 0.0, ("no model was kept (`harness run --keep-models` keeps them)",))
        dataset = open_dataset(self.registry, outcome.trial.dataset, self.data_root, skip_unreadable=True)
        if dataset.needs_root and self.data_root is None:
            return Rescored((), 0.0, ("the images are not at hand (--data-root)",))
        if outcome.trial.resize != STRETCH or outcome.trial.tiles:
            return Rescored((), 0.0, ("its images are cut or padded, and these conventions are told of whole ones",))
        images = self._images(outcome.trial, outcome.fingerprint)
        detector = loading.load(directory, self.registry, self.device)
        pool = detector.pools.get(usual.pool)
        return rescored(detector, pool, images, evidence.test[usual.pool])

    def _images(self, trial: Trial, fingerprint: str) -> Shown:
        """The test images of a trial's category, loaded once for all its trials."""
        wanted = (trial.dataset, trial.category, trial.image_size, trial.protocol)
        if self._loaded is None or self._loaded[0] != wanted:
            dataset = open_dataset(self.registry, trial.dataset, self.data_root, skip_unreadable=True)
            split = presented(load(dataset, trial.category, trial.image_size), trial)
            if split.fingerprint != fingerprint:
                raise HarnessError(f"{trial.category} is not what it was fitted on: the images have changed since")
            sides = [int(side) for size in split.sizes[:1] for side in size.split("x")]
            size = max(sides, default=0)
            larger = load(dataset, trial.category, size).test if size > trial.image_size else None
            self._loaded = (wanted, Shown(split.test, larger, *_regions(dataset, trial)))
        return self._loaded[1]


def _regions(dataset: Dataset, trial: Trial) -> tuple[Sequence[Sequence[Region]] | None, Sequence[str]]:
    """The defects of each test image apart, and why they could not be had."""
    try:
        return dataset.regions(trial.category, trial.image_size), ()
    except HarnessError as error:
        return None, (f"{AS_STATED.words} cannot be told: {error}",)


def judged(verdicts: Iterable[Verdict], threshold: str = "mean", models: Models | None = None) -> list[Judged]:
    """Every finished trial but floors, under each convention that can be told of it: verdicts by all pools and limits.

    Verdicts of a store have evidence, and tell more than those of an export. Without models, or where none was kept,
    conventions that take error maps are left out, which `unsaid` says.
    """
    trials: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome.status == "done" and not verdict.outcome.record.floor:
            trials.setdefault(verdict.outcome.id, []).append(verdict)
    found = []
    for group in trials.values():
        usual = usual_verdict(group, threshold)
        if usual is not None:
            found.append(_judged(group, usual, models))
    return found


def _judged(group: Sequence[Verdict], usual: Verdict, models: Models | None) -> Judged:
    figures = dict(image_figures(usual))
    evidence = usual.outcome.evidence
    unsaid = []
    if evidence is not None and evidence.pixels is not None:
        figures.update(pixel_figures(evidence.pixels.counts()))
    else:
        figures.update(_remembered(usual))
        unsaid.append("no pixel counts are at hand (an export has none, and an older store)")
    under: dict[Convention, Figures] = dict(stored_conventions(group, usual))
    if models is not None:
        try:
            again = models.rescored(usual)
        except HarnessError as error:
            again = Rescored((), 0.0, (str(error),))
        under.update(again.found)
        unsaid += again.unsaid
        if again.furthest > ALIKE:
            unsaid.append(f"its kept model gives other scores than the stored ones (up to {again.furthest:.1%} apart)")
    return Judged(usual, figures, under, unsaid)


def _remembered(usual: Verdict) -> Figures:
    """The figures of pixels that every row has."""
    names = {"pixel_auroc": "pixel_auroc", "pixel_average_precision": "pixel_average_precision", "aupro_0.30": "aupro"}
    return {name: value for column, name in names.items() if (value := usual.metric(column)) is not None}
