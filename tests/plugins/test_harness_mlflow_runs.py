"""What MLflow is told of a trial, by a client that is only played: the real one is in test_trackers_mlflow."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import TrackedTrial, UsageError
from harness_mlflow import harness_trackers, tracker
from harness_mlflow.tracker import MLflow

pytest.importorskip("mlflow", reason="MLflow is not here: pip install 'anomaly-harness[mlflow]'")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")
]  # fmt: skip

TRIAL = TrackedTrial(
    "0123456789abcdef", "f00d", "bottle · dae · seed 0", "done", "", {"model": "dae", "epochs": 3, "long": "x" * 600},
    {"auroc/mean/quantile[q=0.99]": 0.75, "fit_seconds": 2.0}, (0.5, 0.25), {"torch": "2.9", "machine": ""},
    "harness run --models dae", lambda: "<p>page",
)  # fmt: skip


class Client:
    """Remembers what it is told; `pages` are lists of earlier runs."""

    def __init__(self, *pages: list[Any], known: bool = True) -> None:
        self.pages, self.known = list(pages), known
        self.told: list[Any] = []

    def get_experiment_by_name(self, name: str) -> Any:
        assert name == "anomaly-harness"
        return SimpleNamespace(experiment_id=7) if self.known else None

    def create_experiment(self, name: str, artifact_location: str | None) -> int:
        self.told.append((name, artifact_location))
        return 8

    def search_runs(self, experiments: list[str], max_results: int, page_token: str | None) -> Any:
        self.told.append((experiments, max_results, page_token))

        class Page(list[Any]):
            token = str(len(self.pages)) if len(self.pages) > 1 else None

        return Page(self.pages.pop(0)) if self.pages else Page()

    def create_run(self, experiment: str, run_name: str, tags: dict[str, str]) -> Any:
        self.told.append((experiment, run_name, tags))
        return run("new")

    def log_batch(self, run: str, **what: Any) -> None:
        self.told.append((run, what))

    def log_text(self, run: str, text: str, name: str) -> None:
        self.told.append((run, text, name))

    def set_terminated(self, run: str, status: str) -> None:
        self.told.append((run, status))

    def get_run(self, name: str) -> Any:
        return run(name, metrics={"auroc/mean/quantile_q_0.99": 0.75, "fit_seconds": 2.0})


def run(name: str, status: str = "FINISHED", trial: str = "", metrics: Any = ()) -> Any:
    tags = {"harness.trial": trial} if trial else {}
    return SimpleNamespace(
        info=SimpleNamespace(run_id=name, status=status), data=SimpleNamespace(tags=tags, metrics=dict(metrics))
    )


def opened(client: Client, monkeypatch: pytest.MonkeyPatch, uri: str = "http://here:5000") -> MLflow:
    made = MLflow(uri=uri)
    monkeypatch.setattr(made, "_connected", lambda: client)
    made.open()
    client.told.clear()
    return made


def test_a_trial_is_one_run_with_settings_metrics_losses_and_page(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    made = opened(client, monkeypatch)
    made.log(TRIAL)
    begun, settings, metrics, page, end = client.told
    assert begun == ("7", TRIAL.name, {"harness.trial": TRIAL.id, "harness.fingerprint": "f00d"})
    assert {one.key: one.value for one in settings[1]["params"]} == {"model": "dae", "epochs": "3", "long": "x" * 500}
    tags = {one.key: one.value for one in settings[1]["tags"]}
    assert tags == {"harness.torch": "2.9", "mlflow.note.content": "harness run --models dae"}
    assert [(one.key, one.value, one.timestamp, one.step) for one in metrics[1]["metrics"]] == [
        ("loss", 0.5, 0, 1), ("loss", 0.25, 0, 2), ("auroc/mean/quantile_q_0.99", 0.75, 0, 0), ("fit_seconds", 2.0, 0, 0)
    ]  # fmt: skip
    assert (page, end) == (("new", "<p>page", "report.html"), ("new", "FINISHED"))
    client.told.clear()
    made.log(TRIAL)
    assert client.told == [], "it is there already"


def test_a_trial_that_failed_has_its_reason_and_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    opened(client, monkeypatch).log(replace(TRIAL, status="error", reason="r" * 6000, metrics={}, losses=()))
    _, settings, end = client.told
    assert {one.key: one.value for one in settings[1]["tags"]}["harness.reason"] == "r" * 5000
    assert end == ("new", "FAILED")


@pytest.mark.parametrize(
    "earlier",
    [
        run("old", "FAILED", TRIAL.id, {"auroc/mean/quantile_q_0.99": 0.75, "fit_seconds": 2.0}),
        run("old", "FINISHED", TRIAL.id, {"fit_seconds": 2.0}),
    ],
)
def test_a_run_of_before_is_filled_where_it_failed_or_lacks_a_metric(
    earlier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client([earlier])
    opened(client, monkeypatch).log(TRIAL)
    assert [one[0] for one in client.told] == ["old"] * 4, "no run is begun"


def test_many_losses_go_in_several_requests_of_five_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    opened(client, monkeypatch).log(replace(TRIAL, losses=(0.5,) * 1001, metrics={}))
    assert [len(one[1]["metrics"]) for one in client.told if "metrics" in one[1]] == [500, 500, 1]


def test_all_pages_of_earlier_runs_are_looked_through_and_runs_of_others_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client([run("a", trial="1"), run("b")], [run("c", trial="2")])
    made = MLflow(uri="x")
    monkeypatch.setattr(made, "_connected", lambda: client)
    made.open()
    assert {trial: one.info.run_id for trial, one in made._runs.items()} == {"1": "a", "2": "c"}
    assert client.told == [(["7"], 1000, None), (["7"], 1000, "2")]


def test_a_list_of_runs_that_does_not_end_is_left_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(tracker.time, "monotonic", lambda: clock[0])

    class Endless(Client):
        def search_runs(self, experiments: list[str], max_results: int, page_token: str | None) -> Any:
            clock[0] += 10
            self.pages = [[], [], []]
            return super().search_runs(experiments, max_results, page_token)

    client = Endless()
    made = MLflow(uri="x")
    monkeypatch.setattr(made, "_connected", lambda: client)
    with pytest.raises(TimeoutError, match=r"^its list of runs has not ended after 30 s$"):
        made.open()
    assert len(client.told) == 3


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("http://here:5000", None), ("folder", None), ("sqlite:////a/b.db", "file:///a/b.db.artifacts"),
        ("sqlite:///b.db", Path("b.db.artifacts").absolute().as_uri()),
    ],
)  # fmt: skip
def test_reports_lie_beside_a_database_and_else_where_mlflow_puts_them(
    uri: str, place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(known=False)
    made = MLflow(uri=uri)
    monkeypatch.setattr(made, "_connected", lambda: client)
    made.open()
    assert client.told == [("anomaly-harness", place)]
    assert made._experiment == "8"


def test_names_of_metrics_keep_their_levels_and_lose_what_mlflow_refuses() -> None:
    assert tracker._spelt("auroc/topk[share=0.01]/mean_std[k=2]") == "auroc/topk_share_0.01/mean_std_k_2"
    assert tracker._spelt("a b..c-d_e") == "a_b..c-d_e"


def test_its_environment_is_set_before_it_is_imported_and_what_a_person_set_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in tracker._ENVIRONMENT:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    levels = {name: logging.getLogger(name).level for name in ("mlflow", "alembic")}
    MLflow(uri="folder").prepare()
    assert {name: os.environ[name] for name in tracker._ENVIRONMENT} == {
        "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "99", "GIT_PYTHON_REFRESH": "quiet",
    }  # fmt: skip
    for name, level in levels.items():
        assert logging.getLogger(name).level == logging.ERROR
        logging.getLogger(name).setLevel(level)


def test_a_uri_is_asked_for_and_one_of_no_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = r"expected http://host:port, sqlite:////folder/file\.db, or a folder"
    with pytest.raises(UsageError, match=f"^tracker 'mlflow' is told no uri: {expected}, as in 'mlflow\\[uri=http"):
        MLflow().prepare()
    with pytest.raises(UsageError, match=f"^tracker 'mlflow' has the uri 'gopher://x': {expected}$"):
        MLflow(uri="gopher://x").prepare()
    asked: list[MLflow] = []
    monkeypatch.setattr(MLflow, "_connected", lambda self: asked.append(self))
    for uri in ("http://x", "https://x", "sqlite:///x", "file:///x", "folder"):
        MLflow(uri=uri).prepare()
    assert asked == [], "the network is not used yet"
    MLflow(uri="plugin://x").prepare()
    assert [one.uri for one in asked] == ["plugin://x"]


def test_a_client_is_made_for_the_uri_alone(tmp_path: Path) -> None:
    client: Any = MLflow(uri=str(tmp_path / "tracked"))._connected()
    assert client.tracking_uri == str(tmp_path / "tracked")
    assert client._registry_uri == str(tmp_path / "tracked")
    assert list(harness_trackers()) == [MLflow]


def test_without_mlflow_the_extra_is_named_once_a_uri_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^tracker 'mlflow' needs MLflow: pip install 'anomaly-harness\[mlflow\]'$"):
        MLflow(uri="folder").prepare()
