"""The harness from Python: `harness.run`, `harness.open`, `harness.load` and what they give."""

from __future__ import annotations

import csv
import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm_python
from click.testing import CliRunner
from PIL import Image

import harness
from harness.commands import main
from harness.deployment.kept import LoadedModel
from harness.plugin.in_process import IN_PROCESS, digest_of
from harness.report.formats import FORMATS
from harness.trials.settings import SETTINGS
from harness.trials.store import Store
from harness.verdicts.leaderboard import boards


@dataclass
class Brighter(harness.Model):
    """How much brighter than the mean normal image."""

    name = "brighter"
    uses = frozenset({"pool"})
    gain: float = 1.0

    def fit(self, normal: harness.Images, **how: Any) -> None:
        self.mean = normal.pixels.mean(axis=0)

    def score(self, images: harness.Images) -> harness.Scores:
        return harness.Scores(maps=self.gain * np.abs(images.pixels - self.mean).mean(axis=3))


class Largest(harness.Threshold):
    """The largest normal score."""

    name = "largest"

    def fit(self, normal: Any) -> float:
        return float(normal.max())


class Nowhere(harness.ScoreMetric):
    """Defined nowhere."""

    name = "nowhere"

    def value(self, ranking: Any) -> float:
        return float("nan")


class Missed(harness.CountMetric):
    """How many anomalous images are called normal, of all anomalous ones."""

    name = "missed"
    higher_is_better = False

    def value(self, counts: Any) -> float:
        return 1 - counts.abnormal_rate


Run = Callable[..., harness.Results]


@pytest.fixture
def asked(tmp_path: Path, dots_plugin: Path) -> dict[str, Any]:
    """A small run on the dots data set."""
    return {
        "plugins": [dots_plugin],
        "dataset": "dots",
        "models": "mean_image",
        "encoders": "plain",
        "losses": "absolute",
        "thresholds": "highest",
        "categories": ["large"],
        "store": tmp_path / "runs",
        "device": "cpu",
        "jobs": 1,
        "floors": False,
        "quiet": True,
    }


@pytest.fixture
def run(asked: dict[str, Any]) -> Run:
    return lambda **more: harness.run(**{**asked, **more})


def as_command(asked: dict[str, Any], *more: str) -> list[str]:
    words = ["run", "--no-floors", "--plugin", str(asked["plugins"][0]), "--dataset", "dots", "--encoders", "plain"]
    words += ["--models", str(asked["models"]), "--losses", "absolute", "--thresholds", "highest"]
    return [*words, "--categories", "large", "--store", str(asked["store"]), "--device", "cpu", "--jobs", "1", *more]


def ids(results: harness.Results) -> set[str]:
    return {row["trial"] for row in results}


def test_python_and_the_command_make_the_same_trials(run: Run, asked: dict[str, Any], tmp_path: Path) -> None:
    results = run(models="trained,mean_image", seeds=range(2), learning_rate=0.01)
    asked = {**asked, "models": "trained,mean_image", "store": tmp_path / "others"}
    told = CliRunner().invoke(main, as_command(asked, "--seeds", "0,1", "--lr", "0.01", "--format", "json"))
    rows = json.loads(told.stdout)
    assert len(rows) == len(results) == 4
    assert {row["trial"] for row in rows} == ids(results)
    measured = {"fit_seconds", "train_images_per_second"}
    kept = [{name: value for name, value in row.items() if name not in measured} for row in rows]
    assert kept == [{name: value for name, value in row.items() if name not in measured} for row in results]


def test_parts_are_names_instances_or_classes(run: Run, dots_plugin: Path) -> None:
    expected = ids(run(models="mean_image[gain=2],brightest"))
    assert ids(run(models=["mean_image[gain=2]", "brightest"])) == expected
    for models in ([Brighter(gain=2), Brighter], "brighter[gain=2],brighter"):
        results = run(models=models, plugins=[dots_plugin, Brighter])
        assert {row["model"] for row in results} == {"brighter", "brighter[gain=2]"}
    assert {row["threshold"] for row in run(thresholds=[Largest, "highest"])} == {"largest", "highest"}
    assert {row["threshold"] for row in run(thresholds=Largest())} == {"largest"}


def test_a_data_set_may_be_an_instance_and_a_whole_module_a_plugin(dots_plugin: Path, tmp_path: Path) -> None:
    module = types.ModuleType("my_dots")
    sys.modules["my_dots"] = module
    exec(compile(dots_plugin.read_text(), str(dots_plugin), "exec"), vars(module))
    asked = {"encoders": "plain", "losses": "absolute", "categories": "large", "device": "cpu", "quiet": True}
    results = harness.run(
        dataset=module.Dots(n_train=5), models="mean_image", plugins=module, store=tmp_path / "runs", **asked
    )
    del sys.modules["my_dots"]
    assert {row["dataset"] for row in results} == {"dots[n_train=5]"}
    assert {row["status"] for row in results} == {"done"}


def test_the_record_says_that_a_part_came_from_this_process_and_what_its_code_was(run: Run, tmp_path: Path) -> None:
    run(models=[Brighter(gain=2)])
    with Store(tmp_path / "runs") as store:
        (outcome,) = store.outcomes()
    assert outcome.trial.model == "brighter[gain=2]"
    assert outcome.record.plugins["model"] == f"{IN_PROCESS} {digest_of(Brighter)}"
    assert re.fullmatch("[0-9a-f]{8}", digest_of(Brighter))


def test_code_that_has_changed_since_is_said_and_the_stored_trial_is_shown(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    run(models=Brighter)

    def score(self: Any, images: harness.Images) -> harness.Scores:
        return harness.Scores(maps=np.zeros(images.pixels.shape[:3]))

    changed = dataclass(type("Brighter", (Brighter,), {"score": score, "__module__": __name__, "__annotations__": {}}))
    results = run(models=changed, quiet=False)
    assert len(results.remarks) == 1
    assert "model 'brighter' has changed since trials of it were stored" in results.remarks[0]
    assert "has changed since trials of it were stored" in repr(results)
    assert "has changed since trials of it were stored" in results._repr_html_()
    assert results.remarks[0] in capfd.readouterr().err
    assert run(models=Brighter).remarks == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"jobs": 2},
            "model 'brighter' was defined in this process, and jobs other than 1 run in others, which do not have it: save",
        ),
        ({"jobs": None, "executor": "ray"}, "was defined in this process, and executor 'ray' runs trials in others"),
        (
            {"jobs": 2, "models": "mean_image", "keep_models": True, "thresholds": Largest},
            "threshold 'largest' was defined",
        ),
    ],
)
def test_parts_of_this_process_are_refused_where_others_would_need_them(
    run: Run, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(harness.UsageError, match=re.escape(said)) as caught:
        run(**{"models": Brighter, **more})
    assert "\n" not in str(caught.value)


def test_parts_of_this_process_run_in_it_unless_something_else_is_asked(run: Run) -> None:
    assert len(run(models=Brighter, jobs=None, seeds=range(3))) == 3
    assert len(run(thresholds=Largest, jobs=2, seeds=range(2))) == 2


def test_parts_of_this_process_run_by_an_executor_of_a_file_that_says_it_fits_in_this_process(
    run: Run, asked: dict[str, Any], tmp_path: Path
) -> None:
    source = """
from harness import Executor, hookimpl
class Here(Executor):
    name = "here"
    in_process = True
    def run(self, trials, worker, observer):
        return (worker.perform(trial, observer) for trial in trials)
@hookimpl
def harness_executors(): return [Here]
"""
    (tmp_path / "here.py").write_text(source)
    ask = {"models": Brighter, "jobs": None, "executor": "here"}
    (row,) = run(**ask, plugins=[*asked["plugins"], tmp_path / "here.py"]).rows
    assert row["status"] == "done"
    (tmp_path / "away.py").write_text(source.replace("in_process = True", "").replace('"here"', '"away"'))
    with pytest.raises(
        harness.UsageError, match="executor 'away' runs trials in others.* run here with executor='local'"
    ):
        run(**{**ask, "executor": "away"}, plugins=[*asked["plugins"], tmp_path / "away.py"])


def test_reproduce_says_what_to_do_about_a_part_that_was_never_in_a_plugin(
    run: Run, asked: dict[str, Any], tmp_path: Path
) -> None:
    (trial,) = ids(run(models=Brighter))
    words = ["reproduce", trial, "--store", str(asked["store"]), "--plugin", str(asked["plugins"][0])]
    told = CliRunner().invoke(main, words)
    assert told.exit_code == 2
    assert "model 'brighter' was defined in the notebook or script that fitted this trial" in told.stderr
    saved = tmp_path / "brighter.py"
    saved.write_text(
        "from dataclasses import dataclass\nfrom typing import Any\nimport harness, numpy as np\n"
        f"{inspect.getsource(Brighter)}\n@harness.hookimpl\ndef harness_models(): return [Brighter]\n"
    )
    again = CliRunner().invoke(main, [*words, "--plugin", str(saved)])
    assert again.exit_code == 0, again.output
    assert "equal" in again.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"epoch": 3}, "no setting 'epoch'. Did you mean 'epochs'?"),
        ({"models": "mean_imgae"}, "no model 'mean_imgae'. Did you mean 'mean_image'?"),
        ({"models": Largest}, "models is <class"),
        ({"models": harness.Model}, "Model cannot be used as a model: it does not define fit, score"),
        ({"dataset": ["dots", "synthetic"]}, "expected the name of one dataset"),
        ({"plugins": 3}, "plugins is 3: expected paths of Python files, modules, or classes of parts"),
        ({"plugins": [json]}, "json cannot be used: has no hook: expected a function such as harness_models"),
        ({"seeds": 3}, "seeds is 3: expected [3] for this one, or range(3) for so many"),
        ({"data_root": "nowhere"}, "data_root 'nowhere' is not a folder"),
        ({"weights_dir": "nowhere"}, "weights_dir 'nowhere' is not a folder"),
        ({"dataset": "mvtec_ad", "categories": "all"}, "Get it from https://www.mvtec.com/"),
        ({"categories": "lagre"}, "no category 'lagre'. Did you mean 'large'?"),
        ({"store": "/proc/nowhere"}, "store '/proc/nowhere' cannot be made"),
        ({"plugins": "nowhere.py"}, "no plugin file 'nowhere.py'"),
    ],
)
def test_a_wrong_request_is_one_clear_line(run: Run, more: dict[str, Any], said: str) -> None:
    with pytest.raises(harness.HarnessError, match=re.escape(said)) as caught:
        run(**more)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_about_results_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    results = run()
    for ask, said in [
        (lambda: harness.open(None), "source is None: expected a path"),  # type: ignore[arg-type]
        (lambda: harness.load(3), "model is 3: expected a path"),  # type: ignore[arg-type]
        (lambda: results.compare(None), "against is None: expected a path"),  # type: ignore[arg-type]
        (lambda: results.compare("kumar_2025", margin="wide"), "margin is 'wide': expected a number above 0"),  # type: ignore[arg-type]
        (lambda: results.leaderboard(rank_by=3), "rank_by is 3: int is no metric"),
        (lambda: results.report(tmp_path / "report.pdf"), "expected a name that ends in .html or .md"),
        (lambda: harness.open(tmp_path / "no.jsonl"), "no.jsonl' cannot be read: No such file or directory"),
    ]:
        with pytest.raises(harness.UsageError, match=re.escape(said)):
            ask()
    assert results.leaderboard(rank_by=Missed)


def test_a_model_that_gives_no_scores_is_told_what_was_expected(run: Run) -> None:
    @dataclass
    class Silent(Brighter):
        name = "silent"

        def score(self, images: harness.Images) -> Any:
            return None

    (row,) = run(models=Silent).rows
    assert row["reason"] == "silent gave None as scores: expected harness.Scores"


def test_parts_that_a_record_cannot_remember_are_refused(run: Run) -> None:
    class Plain(harness.Model):
        name = "plain_model"
        fit, score = Brighter.fit, Brighter.score

        def __init__(self, gain: float = 1.0) -> None:
            self.gain = gain

    @dataclass
    class Odd(Brighter):
        name = "odd"
        note: str = ""

    class Taken(Brighter):
        name = "mean_image"

    with pytest.raises(harness.UsageError, match="model 'mean_image' of this process has the name of one that"):
        run(models=Taken)
    with pytest.raises(
        harness.UsageError, match="Plain takes gain, which a record cannot remember: make it a dataclass"
    ):
        run(models=Plain(3.0))
    with pytest.raises(harness.UsageError, match="model 'odd' has the option note = 3: expected text"):
        run(models=Odd(note=3))  # type: ignore[arg-type]


def test_it_runs_in_a_thread_and_twice_and_after_an_exception_and_leaves_the_process_as_it_was(run: Run) -> None:
    import torch

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    environ, threads, seed = dict(os.environ), torch.get_num_threads(), torch.initial_seed()
    found: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        run(models="trained[fail=interrupt]", seeds=[0, 1])
    with pytest.raises(harness.UsageError):
        run(models="none_such")

    def work() -> None:
        found.append(run(models="trained[fail=interrupt]", seeds=[0]))
        found.append(run(models="mean_image,trained"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [len(results) for results in found] == [1, 2]
    assert {row["status"] for results in found for row in results} == {"done"}
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    changed = {name for name in os.environ.keys() | environ.keys() if os.environ.get(name) != environ.get(name)}
    assert (changed, torch.get_num_threads(), torch.initial_seed()) == (set(), threads, seed)


def test_two_threads_may_run_on_one_store(run: Run) -> None:
    found: list[harness.Results] = []
    threads = [threading.Thread(target=lambda: found.append(run(seeds=range(3)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(results) for results in found] == [3, 3]
    assert ids(found[0]) == ids(found[1])


def test_a_store_that_another_process_writes_at_the_same_time_loses_nothing(run: Run, asked: dict[str, Any]) -> None:
    words = [sys.executable, "-m", "harness", *as_command(asked, "--seeds", ",".join(map(str, range(12))), "--quiet")]
    other = warm_python.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (asked["store"] / "store.sqlite").exists() and other.poll() is None:
        pass
    results = run(seeds=range(24))
    _, complaint = other.communicate(timeout=60)
    assert other.returncode == 0, complaint
    assert {row["status"] for row in results} == {"done"}
    with Store(asked["store"]) as store:
        assert store.done() == ids(results)
        assert len(store.ids()) == 24


def test_nothing_is_said_where_quiet_is_true_and_nothing_on_stdout_ever(
    run: Run, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name")
    plugins = [tmp_path / "broken.py", Path(__file__).parents[1] / "plugin_files" / "dots.py"]
    results = run(plugins=plugins, quiet=True)
    assert capfd.readouterr() == ("", "")
    assert "plugin broken" in results.remarks[0]
    run(plugins=plugins, quiet=False, seeds=[0, 1])
    out, told = capfd.readouterr()
    assert out == ""
    assert "harness: plugin broken" in told
    assert "[2/2] large · mean_image · seed 1 · done in" in told
    assert "harness: 1 fitted, 1 already there. Stored in" in told


def test_events_may_be_logged_to_a_file(run: Run, tmp_path: Path) -> None:
    run(log_json=str(tmp_path / "events.jsonl"))
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["run_started", "looked_at", "started", "ended", "summary"]
    with pytest.raises(harness.UsageError, match="log_json '/proc/nowhere/x' cannot be written"):
        run(log_json="/proc/nowhere/x")


def test_cells_that_fail_are_in_the_results_with_their_reason(run: Run) -> None:
    results = run(models="trained[fail=bug]", seeds=range(2))
    assert {row["status"] for row in results} == {"done", "error"}
    assert "error: large · trained[fail=bug] + plain + absolute · seed 1: ZeroDivisionError" in repr(results)


def test_results_show_themselves_as_a_leaderboard_also_as_html_in_which_names_are_no_html(run: Run) -> None:
    @dataclass
    class Sly(Brighter):
        name = "sly"
        note: str = ""

    results = run(models=[Brighter, Sly(note="<script>x</script>")])
    assert "all anomalous" in repr(results)
    assert "Ranked by balanced accuracy." in " ".join(repr(results).split())
    shown = results._repr_html_()
    assert "<script>" not in shown
    assert "sly[note=&lt;script&gt;x&lt;/script&gt;]" in shown
    assert shown.count("<table>") == shown.count("</table>") == 1
    assert len(results) == len(list(results)) == len(results.rows) == 2


def test_a_leaderboard_can_be_judged_anew_ranked_anew_and_had_in_every_format(run: Run) -> None:
    results = run(models="mean_image,brightest")
    board = results.leaderboard(thresholds=[Largest, "peek"], pools=["mean", "topk"], rank_by="auroc")
    assert "Ranked by AUROC." in repr(board)
    assert "ORACLE" in repr(board)
    assert {row["threshold"] for row in results} == {"highest"}, "the results themselves stay"
    for name in FORMATS:
        assert results.leaderboard(format=name) == board.__class__(results.leaderboard().document).text(name)
    assert r"\toprule" in results.leaderboard(format="latex")
    assert results.leaderboard(format="excel") == "\ufeff" + results.leaderboard(format="csv")
    with pytest.raises(harness.UsageError, match="no format 'ltx'. Did you mean 'latex'?"):
        results.leaderboard(format="ltx")
    assert "missed" in repr(results.leaderboard(metrics=Missed, format="md"))
    assert all("missed" in row for row in results.judged(metrics=[Missed], rank_by="auroc"))
    with pytest.raises(harness.UsageError, match="no metric 'auorc'. Did you mean 'auroc'?"):
        results.leaderboard(rank_by="auorc")
    with pytest.raises(harness.UsageError, match="no threshold 'hihgest'. Did you mean 'highest'?"):
        results.leaderboard(thresholds="hihgest")


def test_a_metric_that_is_defined_nowhere_is_said_to_be_so_and_blamed_on_no_export(run: Run) -> None:
    shown = repr(run().leaderboard(metrics=Nowhere))
    assert "metric nowhere: it is not defined (nan) for any verdict here" in shown
    assert "export" not in shown


def test_frames_have_one_row_a_verdict_and_the_columns_of_csv(run: Run, asked: dict[str, Any]) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    results = run(models="mean_image,brightest", seeds=range(2))
    printed = CliRunner().invoke(
        main,
        ["leaderboard", "--store", str(asked["store"]), "--plugin", str(asked["plugins"][0]), "--format", "csv", "--thresholds", "highest"],
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    frame, other = results.to_pandas(), results.to_polars()
    assert isinstance(frame, pandas.DataFrame)
    assert isinstance(other, polars.DataFrame)
    assert list(frame.columns) == other.columns == list(rows[0])
    assert len(frame) == len(other) == len(rows) == 4
    assert [str(value) for value in frame["accuracy"]] == [row["accuracy"] for row in rows]
    assert other["auroc"].to_list() == [float(row["auroc"]) for row in rows]
    assert frame["detection"].tolist() == [row["detection"] for row in rows]


def test_the_frame_of_a_leaderboard_has_the_ranked_rows_of_its_tables(run: Run) -> None:
    pytest.importorskip("pandas"), pytest.importorskip("polars")
    results = run(models="mean_image,brightest", seeds=range(2), categories="all")
    board = results.leaderboard(rank_by="auroc", metrics="pixel_auroc")
    frame, other = board.to_pandas(), board.to_polars()
    assert list(frame.columns) == other.columns
    assert frame["category"].tolist() == ["mean over categories"] * 2 + ["large"] * 2 + ["small"] * 2
    assert [[line.rank for line in one.lines] for one in boards(results.verdicts, "auroc")] == [
        group["rank"].tolist() for _, group in frame.groupby("category", sort=False)
    ]
    ranked = frame[frame["category"] == "large"]["auroc"].tolist()
    assert ranked == sorted(ranked, reverse=True)
    assert set(frame["seeds"]) == {2}
    assert {"accuracy_sd", "pixel_auroc", "beats_floors"} <= set(frame.columns)
    compared = results.compare("kumar_2025")
    assert len(compared.to_pandas()) == len(json.loads(compared.text("json")))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_missing_is_named_with_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    results = run()
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(harness.UsageError, match=f"to_{library} needs {library}: pip install {library}"):
        getattr(results, f"to_{library}")()


def test_a_store_and_an_export_open_as_the_results_that_they_are_of(
    run: Run, asked: dict[str, Any], tmp_path: Path
) -> None:
    results = run(models="mean_image,brightest")
    opened = harness.open(asked["store"], thresholds="highest", plugins=asked["plugins"])
    assert sorted(map(str, opened)) == sorted(map(str, results))
    export = tmp_path / "results.jsonl"
    words = ["export", "--store", str(asked["store"]), "--out", str(export), "--plugin", str(asked["plugins"][0])]
    assert CliRunner().invoke(main, words).exit_code == 0
    read = harness.open(str(export), thresholds="highest", plugins=asked["plugins"])
    assert repr(read) == repr(opened)
    with pytest.raises(harness.UsageError, match="is an export, which has no images: an HTML report needs the store"):
        read.report(tmp_path / "report.html")
    summary = read.report(tmp_path / "report.md").read_text()
    assert summary == opened.report(tmp_path / "of_store.md").read_text()
    with pytest.raises(harness.StoreError, match="no store at"):
        harness.open(tmp_path / "nowhere")
    with pytest.raises(harness.UsageError, match="no threshold 'men'. Did you mean 'mean'?"):
        harness.open(asked["store"], thresholds="men")


def test_results_compare_with_published_ones_and_write_reports(run: Run, tmp_path: Path) -> None:
    results = run()
    assert "published but not here: 60 of 60" in repr(results.compare("kumar_2025"))
    assert "published but not here: 60 of 60" in results.compare("kumar_2025").text("html")
    assert results.compare("kumar_2025", format="json").startswith("[")
    page = results.report(tmp_path / "report.html", title="Mine")
    assert "<title>Mine" in page.read_text()
    assert results.report(str(tmp_path / "report.md"), against="kumar_2025").read_text().startswith("#")
    with pytest.raises(harness.UsageError, match="cannot be written"):
        results.report("/proc/nowhere/report.html")
    with pytest.raises(harness.UsageError, match="no published table 'kumra_2025'|kumra_2025"):
        results.compare("kumra_2025")


@pytest.fixture
def detector(run: Run, asked: dict[str, Any]) -> LoadedModel:
    """A kept model whose part is of this process."""
    (trial,) = ids(run(models=Brighter, keep_models=True))
    return harness.load(asked["store"] / "models" / trial[:8], plugins=[*asked["plugins"], Brighter])


def test_a_kept_model_judges_files_folders_arrays_and_lists(
    detector: LoadedModel, tmp_path: Path, asked: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    normal = rng.integers(90, 110, (16, 16, 3), dtype=np.uint8)
    bright = np.full((40, 40, 3), 250, np.uint8)
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(normal).save(folder / "a.png")
    Image.fromarray(bright).save(folder / "b.png")
    (folder / "c.png").write_bytes(b"no image")
    one = detector.predict(folder / "b.png")
    assert (one.decision, one.score > one.limit, one.map.shape) == ("anomalous", True, (16, 16))
    assert one.limit == detector.limit
    assert detector.predict(bright) == detector.predict(Image.fromarray(bright))
    assert detector.predict(bright).score == pytest.approx(one.score)
    assert detector.predict(bright[..., 0]).score == pytest.approx(one.score)
    both = detector.predict([normal, str(folder / "b.png"), folder / "c.png"])
    assert [judged.decision for judged in both] == [detector.predict(normal).decision, "anomalous", "unreadable"]
    assert "is not an image" in both[2].problem
    assert [Path(judged.image).name for judged in detector.predict(folder)] == ["a.png", "b.png", "c.png"]
    assert len(detector.predict(np.stack([normal, normal]))) == 2
    assert detector.judging(Largest).limit == detector.limit
    with pytest.raises(harness.DataError, match="is not an image"):
        detector.predict(folder / "c.png")
    with pytest.raises(
        harness.UsageError, match=r"the image is float64 of shape \(16, 16, 3\): expected numbers of 0 to 255"
    ):
        detector.predict(normal / 255)
    with pytest.raises(harness.UsageError, match="image 1 is float64 of shape"):
        detector.predict([normal, normal / 255])
    with pytest.raises(harness.UsageError, match="3 is no image: expected a path, an array, or a list"):
        detector.predict(3)


def test_a_kept_model_that_is_not_there_or_lacks_its_part_is_one_clear_line(
    detector: LoadedModel, asked: dict[str, Any]
) -> None:
    with pytest.raises(harness.UsageError, match="no model 'zzz'"):
        harness.load("zzz", store=asked["store"])
    with pytest.raises(
        harness.ModelError, match="which was defined in the notebook or script that fitted it, and not in a plugin"
    ):
        harness.load(detector.directory, plugins=asked["plugins"])


def test_the_scores_of_a_loaded_model_are_the_stored_ones(detector: LoadedModel, asked: dict[str, Any]) -> None:
    with Store(asked["store"]) as store:
        (outcome,) = store.outcomes()
    assert outcome.evidence is not None
    split = harness_split(asked)
    judged = detector.predict(split.test.pixels)
    assert [one.score for one in judged] == outcome.evidence.test["mean"].tolist()


def harness_split(asked: dict[str, Any]) -> harness.Split:
    from harness.plugin.registry import Registry

    return Registry.discover(asked["plugins"]).make(harness.Dataset, "dots").load("large", 16)


def test_the_help_of_run_lists_every_setting() -> None:
    parameters = inspect.signature(harness.run).parameters
    assert list(parameters) == list(SETTINGS)
    for name, setting in SETTINGS.items():
        assert f"{name}: {setting.help}" in harness.run.__doc__


def test_importing_the_harness_and_its_doors_brings_nothing_heavy() -> None:
    script = (
        "import sys, harness\n"
        "heavy = {'torch', 'rich', 'pandas', 'polars', 'IPython', 'sqlite3', 'jinja2', 'multiprocessing', 'pluggy_'}\n"
        "found = heavy & set(sys.modules); assert not found, found\n"
        "harness.run, harness.open, harness.load, harness.Results\n"
        "found = {'torch', 'rich', 'pandas', 'polars', 'IPython', 'ray'} & set(sys.modules); assert not found, found\n"
        "try: harness.rnu\nexcept AttributeError as error: assert 'rnu' in str(error)\n"
        "assert {'run', 'open', 'load'} <= set(harness.__all__)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_what_is_imported_when_it_is_asked_for_is_a_public_name_and_there() -> None:
    assert {*harness._LAZY} <= {*harness.__all__}
    for name in harness._LAZY:
        assert getattr(harness, name).__module__.startswith("harness.")


SCRIPT = '''
import harness
results = harness.run(
    plugins={plugin!r}, dataset="dots", models=["mean_image", "brightest"], encoders="plain", losses="absolute",
    thresholds="highest", categories="large", seeds=range(2), jobs=2, store="runs", device="cpu",
)
print("ran once")
print(results)
results.report("report.html")
'''  # fmt: skip


def test_a_script_without_a_main_guard_may_have_several_jobs(tmp_path: Path, dots_plugin: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(plugin=str(dots_plugin)))
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ran once") == 1
    assert "mean_image" in done.stdout
    assert done.stderr.count(" done in ") == 4
    assert "harness: 4 fitted, 0 already there. Stored in runs" in done.stderr
    assert (tmp_path / "report.html").stat().st_size > 50_000


@pytest.mark.slow
def test_the_python_lines_of_the_readme_do_what_they_are_shown_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## From Python\n")[2].partition("\n## ")[0]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    assert len(lines) >= 10
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for folder in ("train/good", "test/good", "test/crack", "ground_truth/crack"):
        for index in range(4):
            file = Path("parts/bottle") / folder / f"{index:03}{'_mask' * ('ground' in folder)}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            shape = (20, 20) if "ground" in folder else (20, 20, 3)
            Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(file)
    Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save("image.png")
    real = harness.run
    small = {"image_size": 16, "epochs": 1, "losses": "mse", "device": "cpu", "seeds": [0], "quiet": True}
    monkeypatch.setitem(vars(harness), "run", lambda **asked: real(**{**asked, **small}))
    names: dict[str, Any] = {"MyModel": Brighter}
    for line in lines:
        if "1143c4e8" in line:
            trial = next(row["trial"] for row in names["results"] if row["model"] == "dae")
            line = line.replace("1143c4e8", trial[:8])
        exec(line, names)
    assert {row["model"] for row in names["results"]} == {"dae", "cae", "brighter[gain=2]", "global_statistics"}
    assert {row["status"] for row in names["results"]} == {"done"}
    assert (tmp_path / "report.html").stat().st_size > 50_000
