"""Results as Python has them: of a run, a store or an export, judged anew at no cost, shown, and turned into frames."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from harness.api import Dataset, Metric
from harness.errors import HarnessWarning, UsageError
from harness.files import write_text
from harness.plugin import in_process
from harness.plugin.registry import Registry
from harness.plugin.spec import parse
from harness.printable import command
from harness.published import load as load_published
from harness.published.comparison import compare
from harness.published.equivalence import MARGIN
from harness.report.best import MOST_METHODS, of_the_best
from harness.report.comparison import comparison_document
from harness.report.conventions import conventions_document, judged_under
from harness.report.frames import pandas_frame, polars_frame
from harness.report.leaderboard import leaderboard_document
from harness.report.shown import Shown
from harness.report.source import Source, why_empty
from harness.report.table import Document
from harness.trials.setting import Setting
from harness.trials.setting_kinds import Number, Parts, path_of
from harness.trials.settings import SETTINGS, Chosen
from harness.trials.store import Store
from harness.verdicts.asked import AskedMetrics, asked_metrics, metric_faults, spelt_as
from harness.verdicts.rows import RANKED_BY
from harness.verdicts.verdict import Verdict

if TYPE_CHECKING:
    import pandas
    import polars


@dataclass(frozen=True, repr=False)
class Results:
    """Verdicts on trials, as they were when this was made. It shows itself as a leaderboard."""

    source: Source
    thresholds: Chosen = ("mean",)
    pools: Chosen | None = None
    rank_by: str = RANKED_BY
    metrics: Chosen = ()
    """Shown beside those that every verdict has."""
    remarks: tuple[str, ...] = ()
    """What was said of the run beside its progress, such as plugins that could not be loaded."""
    scope: str = ""
    """What was left out for a page, in a sentence; empty where nothing was."""
    verified: bool = False
    """Whether only those count whose trial was fitted again, with the same scores, by somebody who is trusted."""

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """What each threshold makes of each trial's scores of each pool."""
        found = self.source.judged(self.thresholds, self.pools, self.asked.parts)
        if not self.verified:
            return found
        kept = [verdict for verdict in found if verdict.verified]
        if not kept:
            raise UsageError(
                f"none of {len(found)} verdicts of {str(self.source.path)!r} is verified: see `harness verify`"
            )
        return kept

    @cached_property
    def asked(self) -> AskedMetrics:
        """The metric that ranks, and the others that are asked for. Raises UsageError."""
        registry = self.source.registry
        in_process.register(registry, self.metrics)
        return asked_metrics(registry, [self.rank_by, *map(spelt_as, self.metrics)])

    @property
    def faults(self) -> list[str]:
        """What was left out of an export, and what is wrong with metrics that were asked for; a line for each."""
        of_metrics = metric_faults(self.verdicts, self.asked.names)
        return [*self.source.faults, *self.source.notes.faults, *of_metrics]

    @property
    def document(self) -> Document:
        """The leaderboard, before a format is chosen."""
        ranked_by, *_ = self.asked.names
        return leaderboard_document(self.verdicts, ranked_by, self.asked.names)

    @property
    def overall(self) -> Document:
        """The same without the tables of single categories, where there is one of their mean."""
        ranked_by, *_ = self.asked.names
        return leaderboard_document(self.verdicts, ranked_by, self.asked.names, overall=True)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One a verdict, with the columns of `--format csv`."""
        return [dict(row) for row in self.document.rows()]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.verdicts)

    def __repr__(self) -> str:
        return repr(self.leaderboard())

    def _repr_html_(self) -> str:
        return self.leaderboard().text("html")

    def judged(self, thresholds: Any = None, pools: Any = None, rank_by: Any = None, metrics: Any = None) -> Results:
        """The same trials judged by other thresholds and pools, at no fit. Raises UsageError.

        All are given as thresholds are to `harness.run`: names, instances or classes. None keeps what there is.
        """
        read = {"thresholds": thresholds, "pools": pools}
        given = {name: SETTINGS[name].read(value, name) for name, value in read.items() if value is not None}
        if metrics is not None:
            given["metrics"] = _METRICS.read(metrics, "metrics")
        if rank_by is not None:
            (ranking,) = _RANKING.read(rank_by, "rank_by")
            in_process.register(self.source.registry, [ranking])
            given["rank_by"] = spelt_as(ranking)
        if not given:
            return self
        again = replace(self, **given)
        again.asked  # noqa: B018  what is wrong with a metric is told here
        return again

    @overload
    def leaderboard(self, thresholds: Any = ..., pools: Any = ..., rank_by: Any = ..., metrics: Any = ...) -> Shown: ...
    @overload
    def leaderboard(
        self, thresholds: Any = ..., pools: Any = ..., rank_by: Any = ..., metrics: Any = ..., *, format: str
    ) -> str: ...
    def leaderboard(
        self,
        thresholds: Any = None,
        pools: Any = None,
        rank_by: Any = None,
        metrics: Any = None,
        *,
        format: str | None = None,  # noqa: A002
    ) -> Shown | str:
        """The ranked tables, or their text in a format, as in `Shown.text`. Raises UsageError."""
        wanted = self.judged(thresholds, pools, rank_by, metrics)
        shown = Shown(replace(wanted.document, remarks=[*wanted.document.remarks, wanted.faults, wanted.remarks]))
        return shown if format is None else shown.text(format)

    def conventions(
        self, *, threshold: Any = "mean", data_root: str | os.PathLike[str] | None = None, device: str = "auto"
    ) -> Shown:
        """What the same fits come to under conventions that papers seldom state, as `harness conventions` says.

        `data_root` holds the images, for models that were kept. Raises UsageError.
        """
        root = None if data_root is None else path_of(data_root, "data_root")
        return Shown(conventions_document(judged_under(self.source, threshold, root, device)))

    @overload
    def compare(self, against: str | os.PathLike[str], *, margin: float = ..., conventions: bool = ...) -> Shown: ...
    @overload
    def compare(
        self, against: str | os.PathLike[str], *, margin: float = ..., conventions: bool = ..., format: str
    ) -> str: ...
    def compare(
        self,
        against: str | os.PathLike[str],
        *,
        margin: float = MARGIN,
        conventions: bool = False,
        format: str | None = None,  # noqa: A002
    ) -> Shown | str:
        """Our numbers beside those of a source that ships, or of a TOML or CSV file. Raises UsageError.

        Two numbers may lie `margin` apart, above 0 and below 1, and still be the same. With `conventions`, it is said
        by which of them a number could be reached.
        """
        try:
            margin = Number(0, below=1, least_allowed=False).read(margin)
        except ValueError as error:
            raise UsageError(f"margin is {margin!r}: {error}, such as {MARGIN}") from error
        compared = compare(load_published(str(path_of(against, "against"))), self.verdicts, margin)
        under = judged_under(self.source, self.thresholds[:1], None, "auto") if conventions else None
        shown = Shown(comparison_document(compared, under))
        return shown if format is None else shown.text(format)

    def report(
        self,
        out: str | os.PathLike[str],
        *,
        thresholds: Any = None,
        against: str | os.PathLike[str] | None = None,
        title: str = "Anomaly detectors compared",
    ) -> Path:
        """Write a report, as one HTML file or, where `out` ends in .md, as markdown. Raises UsageError.

        In HTML all thresholds are there unless some are asked for.
        """
        file = path_of(out, "out")
        if file.suffix.lower() not in ("", ".html", ".htm", ".md"):
            raise UsageError(f"out is {str(file)!r}: expected a name that ends in .html or .md")
        style = "md" if file.suffix == ".md" else "html"
        wanted = self.judged("all" if thresholds is None and style == "html" else thresholds)
        text = wanted.for_a_page(style).report_text(style, against=against, title=title)
        try:
            write_text(file, text)
        except OSError as error:
            raise UsageError(f"report {str(file)!r} cannot be written: {error.strerror}") from error
        return file

    def for_a_page(self, style: str = "html", most: int = MOST_METHODS) -> Results:
        """The same for a page in HTML: of many methods the best, which `scope` then says. Raises UsageError."""
        if style != "html" or self.source.is_export:
            return replace(self, source=self.source.loaded())
        source, said = of_the_best(
            self.source, self.thresholds, self.pools, self.asked, verified=self.verified, most=most
        )
        return replace(self, source=source, scope=said)

    def report_text(
        self,
        style: str,
        *,
        against: str | os.PathLike[str] | None = None,
        title: str = "Anomaly detectors compared",
    ) -> str:
        """What `report` writes; the style is html or md. Raises UsageError."""
        folder = self.source.path
        if self.source.is_export and style == "html":
            raise UsageError(
                f"{str(folder)!r} is an export, which has no images: an HTML report needs the store. A report in "
                "markdown, as REPORT.md, can be made of an export as well"
            )
        if not self.source.is_export and not any(outcome.status == "done" for outcome in self.source.outcomes):
            run = command("harness", "run", "--store", folder)
            raise UsageError(f"the store {str(folder)!r} has no finished trial: `{run}` makes some")
        published = None if against is None else load_published(str(path_of(against, "against")))
        about: dict[str, Any] = {
            "ranked_by": self.asked.names[0],
            "metrics": self.asked.names,
            "rootless": _rootless(self.source),
            "title": title,
            "compared": compare(published, self.verdicts) if published else None,
        }
        if style == "html":
            from harness.report.html import page

            with Store(folder) as store:
                return page(self.verdicts, store, scope=self.scope, **about)
        from harness.report.summary import summary

        return summary(self.verdicts, **about)

    def to_pandas(self) -> pandas.DataFrame:
        """One row a verdict, with the columns of `--format csv`, `detection` as JSON. Raises UsageError.

        `leaderboard().to_pandas()` has the ranked rows of the tables.
        """
        return pandas_frame(self.rows)

    def to_polars(self) -> polars.DataFrame:
        """The same as a frame of polars. Raises UsageError."""
        return polars_frame(self.rows)


_RANKING = Setting("rank_by", Parts(Metric, several=False), RANKED_BY, "The metric that ranks.")
_METRICS = Setting("metrics", Parts(Metric), (), "Metrics to show beside those that every verdict has, or all.")


def open_results(
    source: str | os.PathLike[str],
    *,
    thresholds: Any = "mean",
    pools: Any = None,
    plugins: Any = (),
    verified: bool = False,
    trust: Sequence[str | os.PathLike[str]] = (),
) -> Results:
    """What a store holds, or an export that `harness export` wrote (a .jsonl). Raises UsageError, StoreError.

    Plugins are Python files, modules, or classes of parts, beside the plugins installed. `verified` takes only what
    somebody has fitted again who is trusted: whose public key ships, or is in a file or folder of `trust`.
    """
    registry = in_process.registry_with(SETTINGS["plugins"].read(plugins, "plugins"))
    for line in in_process.broken(registry):
        warnings.warn(line, HarnessWarning, stacklevel=2)
    places = [path_of(place, "trust") for place in trust]
    return opened(path_of(source, "source"), registry, thresholds, pools, verified=verified, trust=places)


def opened(
    path: Path,
    registry: Registry,
    thresholds: Any,
    pools: Any,
    rank_by: str | None = None,
    metrics: Any = None,
    *,
    verified: bool = False,
    trust: Sequence[Path] = (),
    light: bool = False,
) -> Results:
    """The same with these plugins, ranked by this metric and showing these, light as in Source.

    Raises UsageError, StoreError.
    """
    source = Source.of(path, registry, trust, light=light)
    results = Results(source, verified=verified).judged(thresholds, pools, rank_by, metrics)
    # What is wrong with thresholds and pools is told here, and not where they are shown.
    if not results.verdicts and not source.is_export:
        raise UsageError(why_empty(path))
    return results


def _rootless(source: Source) -> frozenset[str]:
    """The data sets, as they are spelt, that need no folder; one whose plugin is gone is taken to need one."""
    offers = source.registry.offers(Dataset)
    outcomes = [*source.outcomes, *(verdict.outcome for verdict in source.exported)]
    spelt = {outcome.trial.dataset for outcome in outcomes}
    return frozenset(
        text
        for text in spelt
        if (offer := offers.get(parse(text)[0])) is not None and not getattr(offer.part, "needs_root", True)
    )
