"""`harness run --mlflow`, with a real MLflow in a database and in a folder."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.commands import main

pytestmark = [
    pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not here: pip install 'anomaly-harness[mlflow]'"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def words(tmp_path: Path, dots_plugin: Path) -> list[str]:
    options = "--dataset dots --categories large,small --encoders plain --losses absolute --device cpu --jobs 1"
    return ["run", "--no-floors", "--plugin", str(dots_plugin), "--store", str(tmp_path / "runs"), *options.split()]


def call(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def runs_at(uri: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name("anomaly-harness")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which take it seconds to make."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("mlflow") / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{file}", registry_uri=f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def database(template: Path, tmp_path: Path) -> str:
    (tmp_path / "mlflow.db").write_bytes(template.read_bytes())
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_settings_metrics_losses_and_report_of_each_trial_go_there(
    words: list[str], tmp_path: Path, kind: str, database: str
) -> None:
    from mlflow import MlflowClient

    uri = database if kind == "database" else str(tmp_path / "tracked")
    done = call(*words, "--models", "trained", "--thresholds", "highest,mean_std[k=2]", "--mlflow", uri)
    assert done.exit_code == 0, done.output
    runs = runs_at(uri)
    assert {run.data.params["category"] for run in runs} == {"large", "small"}
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.data.params["model"] == "trained"
        assert run.data.params["epochs"] == "2"
        assert {"auroc/mean/highest", "accuracy/mean/mean_std_k_2", "fit_seconds", "loss"} <= run.data.metrics.keys()
        assert run.data.tags["mlflow.note.content"].startswith("harness run --dataset dots")
        assert "harness.torch" in run.data.tags
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [1, 2]
        report = Path(client.download_artifacts(run.info.run_id, "report.html", str(tmp_path)))
        assert "<!DOCTYPE html>" in report.read_text()[:20].replace("doctype", "DOCTYPE")
        assert run.data.params["category"] in report.read_text()


def test_a_run_that_goes_on_logs_no_trial_twice_and_new_ones_once(words: list[str], database: str) -> None:
    call(*words, "--models", "mean_image", "--mlflow", database)
    first = {run.info.run_id: run.info.end_time for run in runs_at(database)}
    call(*words, "--models", "mean_image,trained", "--mlflow", database)
    again = runs_at(database)
    assert len(first) == 2
    assert len(again) == 4
    assert len({run.data.tags["harness.trial"] for run in again}) == 4
    assert first.items() <= {run.info.run_id: run.info.end_time for run in again}.items(), "none was written anew"


def test_another_threshold_is_added_to_the_runs_that_are_there(words: list[str], database: str) -> None:
    for threshold in ("highest", "highest,mean"):
        assert call(*words, "--models", "mean_image", "--thresholds", threshold, "--mlflow", database).exit_code == 0
    runs = runs_at(database)
    assert len(runs) == 2
    assert all({"auroc/mean/highest", "auroc/mean/mean"} <= run.data.metrics.keys() for run in runs)


def test_what_was_fitted_without_mlflow_is_logged_when_it_is_asked_for(words: list[str], database: str) -> None:
    call(*words, "--models", "mean_image")
    done = call(*words, "--models", "mean_image", "--mlflow", database)
    assert "0 fitted, 2 already there" in done.stderr
    assert {run.info.status for run in runs_at(database)} == {"FINISHED"}


def test_a_trial_that_failed_is_one_failed_run_which_a_later_success_turns(
    words: list[str], database: str, tmp_path: Path, dots_plugin: Path
) -> None:
    broken = tmp_path / "dots.py"
    broken.write_text(
        dots_plugin.read_text().replace(
            "def fit(self", "def fit(self, *a, **k): raise ValueError('no luck')\n    def unused(self"
        )
    )
    words[words.index("--plugin") + 1] = str(broken)
    assert call(*words, "--models", "mean_image", "--mlflow", database).exit_code == 3
    assert [run.info.status for run in runs_at(database)] == ["FAILED", "FAILED"]
    assert "no luck" in runs_at(database)[0].data.tags["harness.reason"]
    broken.write_text(dots_plugin.read_text())
    assert call(*words, "--models", "mean_image", "--mlflow", database).exit_code == 0
    assert [run.info.status for run in runs_at(database)] == ["FINISHED", "FINISHED"]


def test_a_tracker_that_breaks_in_mid_run_costs_no_trial_and_is_told_the_rest_later(
    words: list[str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    whole, calls = MlflowClient.log_text, []

    def once(self: MlflowClient, *given: Any) -> None:
        calls.append(given)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        whole(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_text", once)
        done = call(*words, "--models", "mean_image,trained", "--mlflow", database)
    assert done.exit_code == 0
    assert "4 fitted" in done.stderr
    said = [line for line in done.stderr.splitlines() if "mlflow" in line]
    assert said == [
        f"harness: tracker mlflow[uri={database}] is told nothing more: [Errno 28] No space left on device. Trials go on "
        "and are stored; the same command tells it the rest later"
    ]
    assert sorted(run.info.status for run in runs_at(database)) == ["FINISHED", "RUNNING"]
    call(*words, "--models", "mean_image,trained", "--mlflow", database)
    assert [run.info.status for run in runs_at(database)] == ["FINISHED"] * 4


def test_a_server_that_is_not_there_is_one_line_and_the_run_goes_on(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = call(*words, "--models", "mean_image", "--mlflow", "http://127.0.0.1:9")
    assert done.exit_code == 0, done.output
    assert "2 fitted" in done.stderr
    assert (
        sum("tracker mlflow[uri=http://127.0.0.1:9] is told nothing more" in line for line in done.stderr.splitlines())
        == 1
    )


def test_a_uri_of_no_kind_is_refused_before_anything_is_fitted(words: list[str]) -> None:
    done = call(*words, "--models", "mean_image", "--mlflow", "gopher://x")
    assert done.exit_code == 2
    assert "tracker 'mlflow' has the uri 'gopher://x': expected http://host:port" in done.stderr


def test_without_mlflow_the_extra_is_named(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = call(*words, "--models", "mean_image", "--mlflow", "x")
    assert done.exit_code == 2
    assert "pip install 'anomaly-harness[mlflow]'" in done.stderr


def test_it_is_a_tracker_that_may_be_asked_for_beside_others(words: list[str], database: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    asked = ["--tracker", f"mlflow[uri={database}]", "--tracker", f"mlflow[uri={other}]"]
    assert call(*words, "--models", "mean_image", *asked).exit_code == 0
    assert len(runs_at(database)) == len(runs_at(str(other))) == 2
    unsaid = call(*words, "--models", "mean_image", "--tracker", "mlflow")
    assert unsaid.exit_code == 2
    assert "tracker 'mlflow' is told no uri" in unsaid.stderr


class Awkward(socketserver.BaseRequestHandler):
    """A server that keeps a client waiting, in the way that its path says."""

    def handle(self) -> None:
        asked = self.request.recv(65536)
        if b"/later/" in asked:
            self.request.sendall(b"HTTP/1.1 429 Too Many\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")
        elif b"/slow/" in asked:
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3600\r\n\r\n")
            while not self.server.over.wait(0.2):
                self.request.sendall(b" ")
        else:
            page = b'{"experiment": {"experiment_id": "1", "name": "x"}}'
            page = b'{"runs": [], "next_page_token": "more"}' if b"runs/search" in asked else page
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(page)}\r\n\r\n"
            self.request.sendall(head.encode() + page)


@pytest.fixture
def awkward() -> Iterator[str]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, over = True, threading.Event()

    with Server(("127.0.0.1", 0), Awkward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize("how", ["later", "slow", "endless"])
def test_a_server_that_keeps_everybody_waiting_holds_up_no_trial_and_is_left_after_its_deadline(
    words: list[str], awkward: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness_mlflow.tracker.MLflow.deadline_s", 2.0)
    began = time.monotonic()
    done = call(*words, "--models", "mean_image", "--mlflow", f"{awkward}/{how}")
    assert done.exit_code == 0, done.output
    assert time.monotonic() - began < 20
    said = done.stderr.splitlines()
    told = [line for line in said if "is told nothing more" in line]
    assert len(told) == 1
    assert "after 2 s" in told[0] or "for 2 s" in told[0] or "429" in told[0]
    assert [line for line in said if line.startswith("[2/2]")], "the trials have run"


def test_mlflow_itself_asks_no_network_of_its_own(words: list[str], database: str, tmp_path: Path) -> None:
    """By default it reports each use to its makers, unless it sees that it is tested, which it does not here."""
    guard = (
        "import os, sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        open(os.environ['NETWORK_LOG'], 'a').write(repr((event, arguments)))\n"
        "        raise OSError('no network here')\n"
        "sys.addaudithook(refuse)\n"
    )
    (tmp_path / "sitecustomize.py").write_text(guard)
    log = tmp_path / "network.log"
    bare = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "HARNESS_CACHE", "LANG")}
    environ = {**bare, "PYTHONPATH": str(tmp_path), "NETWORK_LOG": str(log)}
    command = [sys.executable, "-m", "harness", *words, "--models", "mean_image", "--mlflow", database]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(runs_at(database)) == 2
    assert not log.exists(), log.read_text()
    assert "INFO" not in done.stderr
