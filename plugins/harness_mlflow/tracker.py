"""Records each trial as one run of MLflow, with settings, metrics, losses by epoch and its page of the report."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import TrackedTrial, Tracker, UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "anomaly-harness"
ID = "harness.trial"
"""The tag that holds the id of the trial."""
REPORT = "report.html"
_BATCH = 500
"""How many metrics one request has; MLflow accepts at most 1000."""
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # otherwise it reports each run to its makers
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # users may ask for a folder
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # by default it waits minutes for a server that is gone
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment variables for MLflow's client; the user's own values take precedence."""
_KNOWN = ("http", "https", "sqlite", "file")


@dataclass
class MLflow(Tracker):
    """Logs trials to an MLflow server, a database or a folder, each once, however often a run goes on."""

    name = "mlflow"
    licence = "MIT"
    source = "https://mlflow.org"

    uri: str = ""
    """http://host:port, sqlite:////folder/file.db, or a folder."""
    _runs: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The runs that MLflow has already, by the id of their trial."""

    def prepare(self) -> None:
        expected = "expected http://host:port, sqlite:////folder/file.db, or a folder"
        if not self.uri:
            raise UsageError(f"tracker 'mlflow' is told no uri: {expected}, as in 'mlflow[uri=http://localhost:5000]'")
        if importlib.util.find_spec("mlflow") is None:
            raise UsageError("tracker 'mlflow' needs MLflow: pip install 'anomaly-harness[mlflow]'")
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import mlflow

        for name in ("mlflow", "alembic"):  # they log every table that they create
            logging.getLogger(name).setLevel(logging.ERROR)
        if "://" in self.uri and self.uri.partition("://")[0] not in _KNOWN:
            unknown = mlflow.tracking.registry.UnsupportedModelRegistryStoreURIException
            try:
                self._connected()  # MLflow may know more schemes, from plugins of its own
            except unknown as error:
                raise UsageError(f"tracker 'mlflow' has the uri {self.uri!r}: {expected}") from error

    def open(self) -> None:
        """Connect and find earlier runs. Raises TimeoutError if listing them does not end."""
        until = time.monotonic() + self.deadline_s
        self._client = self._connected()
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            self._experiment = str(self._client.create_experiment(EXPERIMENT, artifact_location=_artifacts(self.uri)))
            return
        self._experiment = str(found.experiment_id)
        token = None
        while time.monotonic() < until:
            runs = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            self._runs.update({run.data.tags[ID]: run for run in runs if ID in run.data.tags})
            token = runs.token
            if not token:
                return
        raise TimeoutError(f"its list of runs has not ended after {self.deadline_s:g} s")

    def log(self, trial: TrackedTrial) -> None:
        metrics = {_spelt(name): value for name, value in trial.metrics.items()}
        run = self._runs.get(trial.id)
        if run is not None and run.info.status == _status(trial) and metrics.keys() <= run.data.metrics.keys():
            return
        if run is None:
            tags = {ID: trial.id, "harness.fingerprint": trial.fingerprint}
            run = self._client.create_run(self._experiment, run_name=trial.name, tags=tags)
        self._fill(run.info.run_id, trial, metrics)
        self._runs[trial.id] = self._client.get_run(run.info.run_id)

    def _fill(self, run: str, trial: TrackedTrial, metrics: dict[str, float]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        tags = {f"harness.{name}": value for name, value in trial.made_by.items()}
        tags |= {"harness.reason": trial.reason, "mlflow.note.content": trial.command}
        self._client.log_batch(
            run,
            params=[Param(name, str(value)[:500]) for name, value in trial.settings.items()],
            tags=[RunTag(name, value[:5000]) for name, value in tags.items() if value],
        )
        losses = [Metric("loss", loss, 0, epoch) for epoch, loss in enumerate(trial.losses, 1)]
        values = iter([*losses, *(Metric(name, value, 0, 0) for name, value in metrics.items())])
        while batch := list(islice(values, _BATCH)):
            self._client.log_batch(run, metrics=batch)
        if trial.status == "done":
            self._client.log_text(run, trial.page(), REPORT)
        self._client.set_terminated(run, _status(trial))

    def _connected(self) -> MlflowClient:
        import mlflow

        client: MlflowClient = mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        return client


def _spelt(name: str) -> str:
    """Replace characters that MLflow refuses: `quantile[q=0.99]` becomes `quantile_q_0.99`."""
    return "/".join(re.sub(r"[^A-Za-z0-9_.-]+", "_", part).strip("_") for part in name.split("/"))


def _status(trial: TrackedTrial) -> str:
    return "FINISHED" if trial.status == "done" else "FAILED"


def _artifacts(uri: str) -> str | None:
    """The folder for reports: beside the database if that is a file; None lets MLflow or its server choose."""
    file = re.fullmatch(r"sqlite:///(.+)", uri)
    return Path(f"{file.group(1)}.artifacts").absolute().as_uri() if file else None
