"""A run from its settings to its results: what `harness run` and `harness.run` both do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Corruption, Dataset, Encoder, Executor, Loss, Model, Part, Pool, Threshold, Tracker
from harness.errors import ModelError, UsageError
from harness.plugin.in_process import IN_PROCESS, broken, choose, register, registry_with, some_of
from harness.plugin.registry import KINDS, Registry
from harness.plugin.spec import spell
from harness.printable import counted
from harness.report.events import TO_STDERR, Events, opened_log
from harness.report.html import page
from harness.report.progress import PluginLines, accounted, display, tell
from harness.report.results import Results
from harness.report.source import Source
from harness.trackers.asked import trackers_of
from harness.trackers.tracking import Tracking
from harness.trials import hardware
from harness.trials.corrupting import refuse_severity
from harness.trials.data_defaults import settings_of_data
from harness.trials.datasets import categories_of, usual_dataset
from harness.trials.edits import Edits
from harness.trials.executors.asked import device_of, executor_of, jobs_of
from harness.trials.executors.local import Local
from harness.trials.grid import Axes, Cell, plan
from harness.trials.isolation.registry import isolated_registry
from harness.trials.models_folder import models_of
from harness.trials.observers import Observer, Observers
from harness.trials.oddities import of_changes, of_kept, of_memory, of_unasked
from harness.trials.presets import with_preset
from harness.trials.protocols.axes import crossed, refuse_faults, remark_on
from harness.trials.saved_model import ModelFolder
from harness.trials.schedule import RunSummary, carry_out, run_start
from harness.trials.settings import Settings
from harness.trials.settings_shown import with_settings
from harness.trials.store import Store
from harness.trials.trial import CROSSFIT, REST, Outcome
from harness.trials.worker import Worker, WorkerConfig
from harness.verdicts.asked import asked_metrics, spelt_as
from harness.verdicts.judging import judge
from harness.verdicts.verdict import Verdict


@with_settings
def run(**settings: Any) -> Results:
    """Cross models, encoders, losses, categories and seeds, fit what the store lacks, and give the results.

    Parts may be names, instances or classes. Progress and remarks go to stderr, or to the notebook; nothing is shown
    where `quiet` is true. Raises HarnessError; finished trials are in the store however it ends.
    """
    asked = Settings.of(settings)
    quiet = asked.quiet or asked.log_json == TO_STDERR
    say: Callable[[str], None] = _nothing if quiet else tell
    planned = plan_run(asked, say)
    say(planned.demo)
    with opened_log(asked.log_json, asked.called("log_json")) as lines:
        events = None if lines is None else Events(lines, planned.judged)
        shown = [] if quiet else [display(), PluginLines()]
        finished = fit(planned, [*shown, *([events] if events else [])], say)
        if events is not None and lines is not None:
            events.summary(finished.exit_code)
            say(lines.fault)
    for remark in (*finished.remarks, f"{accounted(finished.summary)}. Stored in {asked.store}"):
        say(remark)
    return finished.results


@dataclass(frozen=True)
class PlannedRun:
    """What settings come to: the cells of a run, and where and how it goes."""

    settings: Settings
    registry: Registry
    thresholds: Sequence[Threshold]
    pools: Sequence[str] | None
    axes: Axes
    cells: Sequence[Cell]
    executor: Executor
    trackers: Sequence[Tracker]
    device: str
    """As torch spells it."""
    jobs: int
    """How many trials share the cores of a machine."""
    corruptions: Sequence[Corruption]
    """What test images are changed by."""
    of_pixels: bool
    """Whether a metric that was asked for is made of the counts of pixels."""

    @property
    def demo(self) -> str:
        """What to say where nobody gave any data; else nothing."""
        axes, settings = self.axes, self.settings
        if not axes.dataset.defaults or settings.dataset is not None or settings.data_root is not None:
            return ""
        return (
            f"No {settings.called('data_root')}: running the demo on the built-in {axes.dataset.name!r} data set "
            f"({axes.image_size} px, {counted(axes.epochs, 'epoch')}, {axes.weights} weights). These are not results."
        )

    @property
    def floors(self) -> list[Model]:
        """What is fitted beside its cells, for orientation."""
        return self.registry.floors() if self.settings.floors else []

    @property
    def rootless(self) -> tuple[str, ...]:
        """Its data set as it is spelt, where that needs no folder."""
        return () if self.axes.dataset.needs_root else (spell(self.axes.dataset),)

    def judged(self, outcome: Outcome) -> list[Verdict]:
        """The verdicts that are asked for."""
        return list(judge(outcome, self.thresholds, self.pools))

    def page_of(self, trial_id: str) -> str:
        """The report's page of one stored trial, as HTML. It can be made in any thread."""
        with Store(self.settings.store) as store:
            (outcome,) = store.outcomes([trial_id])
            return page(self.judged(outcome), store, rootless=self.rootless, title=outcome.trial.title)

    def worker(self) -> Worker:
        """What fits its trials. Makes the folder of models where they are kept. Raises ModelError."""
        settings = self.settings
        config = WorkerConfig(
            self.device,
            settings.data_root,
            settings.weights_dir,
            settings.plugin_files,
            threads=hardware.threads(self.device, self.axes.precision, self.jobs),
            side_by_side=self.jobs,
            smaller_batches=settings.batch_size == "auto",
            pools=tuple(self.pools or ()),
            corruptions=tuple(spell(one) for one in self.corruptions),
            pixels=self.of_pixels,
            keep=_folder_of_models(self) if settings.keep_models else None,
            isolate=settings.isolate,
            trial_minutes=settings.trial_minutes,
            skip_unreadable=settings.skip_unreadable,
            imports=self.axes.imports,
        )
        return Worker(config, self.registry)


@dataclass(frozen=True)
class FinishedRun:
    """What came of a run."""

    summary: RunSummary
    results: Results
    keep: ModelFolder | None
    """Where its models are."""
    remarks: tuple[str, ...] = ()
    """What to say about it."""

    @property
    def exit_code(self) -> int:
        """Of the command: 3 where some cells were skipped or failed, a limit was not set, or a model not kept."""
        unset = any(verdict.status == "error" for verdict in self.results.verdicts)
        return 3 if self.summary.unfinished or self.summary.unkept or unset else 0


def plan_run(settings: Settings, warn: Callable[[str], None]) -> PlannedRun:
    """Find parts and data, and cross them. Raises UsageError, DataError; nothing is written."""
    registry = _registry(settings)
    for line in broken(registry):
        warn(line)
    judges = (*settings.thresholds, *(settings.pools or ()), *(settings.corrupt or ()))
    crossed = (*settings.models, *settings.encoders, *settings.losses, *(settings.dataset or ()))
    register(registry, (*crossed, *judges, *settings.executor, *(settings.trackers or ())))
    dataset = _dataset(registry, settings)
    of_data = settings_of_data(settings, dataset)
    settings, remark = with_preset(settings, dataset, registry, of_data["image_size"])
    if remark:
        warn(remark)
    thresholds = choose(registry, Threshold, settings.thresholds)
    pools = [] if settings.pools is None else choose(registry, Pool, settings.pools)
    corruptions = choose(registry, Corruption, settings.corrupt or ())
    refuse_severity(corruptions)
    register(registry, settings.metrics or ())
    of_pixels = asked_metrics(registry, map(spelt_as, settings.shown_metrics)).of_pixels
    executor, trackers = executor_of(registry, settings), trackers_of(registry, settings)
    device = device_of(executor, settings.device)
    axes = _axes(registry, settings, device, dataset, of_data)
    if one_shot := remark_on(settings):
        warn(one_shot)
    refuse_faults(settings, dataset, axes.categories, axes.image_size)
    cells = list(plan(axes))
    reasons = {cell.reason for cell in cells}
    if "" not in reasons:
        raise UsageError("; ".join(sorted(reasons)))
    used = [axes.dataset, *axes.models, *axes.encoders, *axes.losses, *pools, *corruptions]
    executor = _where_parts_are(registry, [*used, *(thresholds if settings.keep_models else ())], executor, settings)
    jobs = jobs_of(executor, device, len(cells))
    spelt = None if settings.pools is None else [spell(pool) for pool in pools]
    judging = (settings, registry, thresholds, spelt)
    return PlannedRun(*judging, axes, cells, executor, trackers, device, jobs, corruptions, of_pixels)


def fit(planned: PlannedRun, observers: Sequence[Observer], warn: Callable[[str], None]) -> FinishedRun:
    """Fit what the store lacks, telling observers, and the trackers that are asked for. Raises HarnessError.

    Finished trials are in the store however this ends.
    """
    settings, worker = planned.settings, planned.worker()
    with Store(settings.store, write=True) as store:
        tracking = [Tracking(one, planned.judged, planned.page_of, warn, planned.rootless) for one in planned.trackers]
        told = Observers([*observers, *tracking], warn)
        refits = worker.config.keep is not None or settings.refit_edited
        start = run_start(planned.cells, planned.axes.dataset, store, refits=refits)
        with told.following(start) as observer:
            cells, executor = planned.cells, planned.executor
            about: Any = {"store": store, "worker": worker, "executor": executor, "floors": planned.floors}
            summary = carry_out(cells, **about, observer=observer, refit_edited=settings.refit_edited)
        outcomes = list(store.outcomes([*summary.ids, *summary.floors]))
    kept = () if settings.isolate else of_kept(summary, settings.called("keep_models"))
    odd = (*kept, *of_changes(summary), *of_memory(summary), *of_unasked(summary, executor))
    remarks = (*_of_edited(planned, outcomes), *odd)
    results = Results(
        Source(settings.store, planned.registry, outcomes),
        settings.thresholds,
        None if planned.pools is None else tuple(planned.pools),
        metrics=settings.shown_metrics,
        remarks=(*broken(planned.registry), *filter(None, [planned.demo]), *remarks),
    )
    return FinishedRun(summary, results, worker.config.keep, remarks)


def _registry(settings: Settings) -> Registry:
    """All that can be crossed. Raises UsageError."""
    if not settings.isolate:
        return registry_with(settings.plugins)
    here = [plugin for plugin in settings.plugins if not isinstance(plugin, Path)]
    if here:
        raise UsageError(
            f"{here[0]!r:.60} is code of this process, which {settings.called('isolate')} cannot fence off"
        )
    return isolated_registry(settings.plugin_files)


def _dataset(registry: Registry, settings: Settings) -> Dataset:
    """The data set that is asked for, at its root. Raises UsageError."""
    root, called = settings.data_root, settings.called
    if root is not None and not root.is_dir():
        raise UsageError(
            f"{called('data_root')} {str(root)!r} is not a folder: expected the folder that holds the data set"
        )
    asked = settings.dataset or (usual_dataset(registry, root),)
    dataset, *others = choose(registry, Dataset, asked)
    if others:
        raise UsageError(f"{called('dataset')} is {','.join(map(str, asked))!r}: expected one data set")
    dataset.root, dataset.skip_unreadable = root, settings.skip_unreadable
    if dataset.needs_root and root is None:
        raise UsageError(
            f"data set {spell(dataset)!r} needs {called('data_root')}, a folder such as {dataset.layout}."
            + f" Get it from {dataset.homepage}" * bool(dataset.homepage)
        )
    if settings.weights_dir is not None and not settings.weights_dir.is_dir():
        raise UsageError(f"{called('weights_dir')} {str(settings.weights_dir)!r} is not a folder")
    return dataset


def _axes(registry: Registry, settings: Settings, device: str, dataset: Dataset, of_data: Mapping[str, Any]) -> Axes:
    """What the settings ask for. Raises UsageError."""
    categories = some_of(settings.categories, categories_of(dataset), "category")
    return Axes(
        dataset=dataset,
        categories=categories,
        models=choose(registry, Model, settings.models),
        encoders=choose(registry, Encoder, settings.encoders),
        losses=choose(registry, Loss, settings.losses),
        seeds=settings.seeds,
        holdout=settings.holdout,
        precision=hardware.precision(settings.precision, device),
        calibrate=settings.calibrate if settings.calibrate in (CROSSFIT, REST) else "",
        protocols=crossed(settings, registry, categories),
        **of_data,
    )


def _folder_of_models(planned: PlannedRun) -> ModelFolder:
    """Where models go, made, and the first limit that a production line could set. Raises UsageError, ModelError."""
    settings = planned.settings
    blind = next((threshold for threshold in planned.thresholds if not threshold.oracle), None)
    if blind is None:
        raise UsageError(
            f"{settings.called('keep_models')} needs a threshold that sees normal images only: add one, such as mean, "
            f"to {settings.called('thresholds')}"
        )
    folder = models_of(settings.store)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"folder of models {str(folder)!r} cannot be made: {error.strerror}") from error
    return ModelFolder(folder.absolute(), spell(blind), planned.pools[0] if planned.pools else None)


def _where_parts_are(registry: Registry, parts: Sequence[Part], executor: Executor, settings: Settings) -> Executor:
    """The executor, in this process where a part is of this process and nothing else is asked. Raises UsageError."""
    here = [part for part in parts if _is_of_this_process(registry, part)]
    if not here or executor.in_process or _is_of_this_process(registry, executor):
        return executor
    if settings.isolate or settings.trial_minutes is not None:
        asked = settings.called("isolate" if settings.isolate else "trial_minutes")
        raise UsageError(
            f"{here[0].kind} {here[0].name!r} was defined in this process, and {asked} runs trials in others: save it "
            f"with its hook in a .py file, and give {settings.called('plugins')}"
        )
    local = isinstance(executor, Local)
    if isinstance(executor, Local) and executor.jobs in (None, 1):
        return replace(executor, jobs=1)
    part, called = type(here[0]), settings.called
    where = f"{called('jobs')} other than 1 run" if local else f"{called('executor')} {executor.name!r} runs trials"
    instead = f"{called('jobs')}=1" if local else f"{called('executor')}='local'"
    raise UsageError(
        f"{part.kind} {part.name!r} was defined in this process, and {where} in others, which do not have it: save "
        f"{part.__name__} with its hook in a .py file and give {called('plugins')}=['that_file.py'], or run here with "
        f"{instead}"
    )


def _is_of_this_process(registry: Registry, part: Part) -> bool:
    """Whether another process could not find it by its name."""
    return registry.offers(KINDS[part.kind])[type(part).name].plugin.distribution == IN_PROCESS


def _of_edited(planned: PlannedRun, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Which parts have other code now than when shown trials were stored, a line a part."""
    found: dict[str, tuple[str, str]] = {}
    edits = Edits(planned.registry)
    for outcome in outcomes:
        found.update(edits.of(outcome.trial, outcome.record))
    settings = planned.settings
    what = (
        "a trial of it that could not be fitted again is shown as it was stored"
        if settings.refit_edited
        else f"those are shown, and not fitted again. {settings.called('refit_edited')} fits them again and replaces "
        "them; to keep both give the part another name, or run into another store"
    )
    for part, (then, now) in found.items():
        yield f"{part} has changed since trials of it were stored (code {then}, now {now}): {what}"


def _nothing(line: str) -> None:
    """Where nothing is to be said."""
