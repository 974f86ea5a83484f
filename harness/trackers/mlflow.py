"""Each finished trial as one run of MLflow: its settings, metrics, losses by epoch, and its page of the report."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.report.html import page
from harness.report.progress import describe
from harness.report.repeat import command_of
from harness.trials.observers import Observer
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "anomaly-harness"
ID = "harness.trial"
"""The tag by which a trial's run is found again."""
REPORT = "report.html"
_MEASURED = ("fit_seconds", "score_seconds", "train_images_per_second")
_BATCH = 500
"""Metrics in one request; MLflow takes at most 1000."""
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would tell its makers of each run
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # a folder is a place that a person may ask for
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # by default a server that is gone is waited for during minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Of MLflow's client, where the person's environment says nothing else."""


class MLflow(Observer):
    """Logs trials to the tracking server, database or folder at a URI, each once, however often a run goes on.

    Whatever goes wrong there is warned of once and ends the logging, not the trials; what was missed is logged by a
    later run on the same store. Raises UsageError without MLflow, or for a URI that it cannot take.
    """

    def __init__(
        self,
        uri: str,
        store: Store,
        judged: Callable[[Outcome], Sequence[Verdict]],
        warn: Callable[[str], None],
        rootless: Collection[str] = (),
    ) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow
        except ImportError as error:
            raise UsageError("--mlflow needs MLflow: pip install 'anomaly-harness[mlflow]'") from error
        for name in ("mlflow", "alembic"):  # they tell of their tables
            logging.getLogger(name).setLevel(logging.ERROR)
        self._uri, self._store, self._judged, self._warn, self._rootless = uri, store, judged, warn, rootless
        self._runs: dict[str, Any] = {}
        """By trial, those of earlier runs as MLflow has them."""
        self._logged: set[str] = set()
        self._found: list[str] = []
        self._on = True
        unsupported = mlflow.tracking.registry.UnsupportedModelRegistryStoreURIException
        try:
            self._client: MlflowClient = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            self._experiment = self._opened()
        except unsupported as error:
            raise UsageError(
                f"--mlflow {uri!r}: expected http://host:port, sqlite:////folder/file.db, or a folder"
            ) from error
        except Exception as error:
            self._give_up(error)

    def ended(self, outcome: Outcome) -> None:
        """A trial has ended: log it."""
        if self._on and outcome.status != "skipped":
            try:
                self._log(outcome)
            except Exception as error:  # of the client, the server, the network or the disk
                self._give_up(error)

    def found(self, trial: Trial, trial_id: str) -> None:
        self._found.append(trial_id)

    def run_ended(self, *, stopped: bool) -> None:
        """Log what the store holds of earlier runs and MLflow does not."""
        if not stopped:
            for outcome in self._store.outcomes(self._found):
                self.ended(outcome)

    def _opened(self) -> str:
        """The experiment's id, once the runs that are there are known."""
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            experiment = str(self._client.create_experiment(EXPERIMENT, artifact_location=_artifacts(self._uri)))
        else:
            experiment = str(found.experiment_id)
        token = None
        while True:
            runs = self._client.search_runs([experiment], max_results=1000, page_token=token)
            self._runs.update({run.data.tags[ID]: run for run in runs if ID in run.data.tags})
            token = runs.token
            if not token:
                return experiment

    def _log(self, outcome: Outcome) -> None:
        verdicts = list(self._judged(outcome))
        metrics = metrics_of(outcome, verdicts)
        run = self._runs.get(outcome.id)
        if run is not None and run.info.status == _status(outcome) and metrics.keys() <= run.data.metrics.keys():
            self._logged.add(outcome.id)
            return
        if run is None:
            tags = {ID: outcome.id, "harness.fingerprint": outcome.fingerprint}
            run = self._client.create_run(self._experiment, run_name=describe(outcome.trial), tags=tags)
        self._fill(run.info.run_id, outcome, verdicts, metrics)
        self._logged.add(outcome.id)

    def _fill(self, run: str, outcome: Outcome, verdicts: Sequence[Verdict], metrics: dict[str, float]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        trial, record = outcome.trial, outcome.record
        made_of = {**record.plugins, **record.versions, **record.machine}
        tags = {f"harness.{name}": str(value) for name, value in made_of.items()}
        tags |= {"harness.reason": outcome.reason, "mlflow.note.content": command_of(trial, self._rootless)}
        self._client.log_batch(
            run,
            params=[Param(name, str(value)[:500]) for name, value in trial._asdict().items()],
            tags=[RunTag(name, value[:5000]) for name, value in tags.items() if value],
        )
        losses = [Metric("loss", loss, 0, epoch) for epoch, loss in enumerate(record.loss_history, 1)]
        values = iter([*losses, *(Metric(name, value, 0, 0) for name, value in metrics.items())])
        while batch := list(islice(values, _BATCH)):
            self._client.log_batch(run, metrics=batch)
        if outcome.status == "done":
            title = describe(trial)
            self._client.log_text(run, page(verdicts, self._store, rootless=self._rootless, title=title), REPORT)
        self._client.set_terminated(run, _status(outcome))

    def _give_up(self, error: Exception) -> None:
        self._on = False
        reason = " ".join(str(error).split()) or type(error).__name__
        self._warn(
            f"MLflow at {self._uri} cannot be written: {reason[:200]}. Trials go on and are stored; "
            "the same command logs them there later"
        )


def metrics_of(outcome: Outcome, verdicts: Iterable[Verdict]) -> dict[str, float]:
    """`metric/pool/threshold` to value in letters that MLflow takes; what is measured of the trial has its own name."""
    found = {name: float(value) for name in _MEASURED if (value := getattr(outcome.record, name)) is not None}
    for verdict in verdicts:
        for name in METRICS:
            if verdict.status == "done" and (value := verdict.metric(name)) is not None:
                found[_spelt(f"{name}/{verdict.pool}/{verdict.threshold}")] = value
        for name in PIXEL_METRICS:
            if (value := verdict.metric(name)) is not None:
                found[name] = value
    return found


def _spelt(name: str) -> str:
    """Without what MLflow refuses: `quantile[q=0.99]` is `quantile_q_0.99`."""
    return "/".join(re.sub(r"[^A-Za-z0-9_.-]+", "_", part).strip("_") for part in name.split("/"))


def _status(outcome: Outcome) -> str:
    return "FINISHED" if outcome.status == "done" else "FAILED"


def _artifacts(uri: str) -> str | None:
    """Where reports go: beside a database that is a file; None lets MLflow or its server choose."""
    file = re.fullmatch(r"sqlite:///(.+)", uri)
    return Path(f"{file.group(1)}.artifacts").absolute().as_uri() if file else None
