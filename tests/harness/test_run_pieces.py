"""A run's pieces, asked on a plugin in numpy: what is planned, refused, fitted, remarked on, and said to whom."""

from __future__ import annotations

import json
import runpy
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import harness
from harness import Model, ModelError, Scores, Threshold, UsageError, running
from harness.plugin.in_process import register, registry_with
from harness.plugin.registry import Registry
from harness.running import FinishedRun, _dataset, _folder_of_models, _where_parts_are, plan_run
from harness.trials.executors.local import Local
from harness.trials.schedule import RunSummary
from harness.trials.settings import Settings

DOTS = Path(__file__).parents[1] / "plugin_files" / "dots.py"
USUAL: dict[str, Any] = {
    "plugins": [DOTS],
    "dataset": "dots",
    "categories": "large",
    "models": "mean_image",
    "thresholds": "highest",
    "device": "cpu",
    "jobs": 1,
    "floors": False,
}


def settings(**changed: Any) -> Settings:
    return Settings.of({**USUAL, **changed})


def planned(warn: Any = None, **changed: Any) -> running.PlannedRun:
    return plan_run(settings(**changed), warn or (lambda line: None))


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run(**changed: Any) -> Any:
        return harness.run(**{**USUAL, "store": tmp_path / "runs", **changed})

    return run


def refused(**changed: Any) -> str:
    with pytest.raises(UsageError) as caught:
        planned(**changed)
    return str(caught.value)


def test_every_public_name_is_there_and_those_that_take_long_are_imported_when_asked_for() -> None:
    for name in harness.__all__:
        assert getattr(harness, name) is not None, name
    for name, (module, attribute) in harness._LAZY.items():
        assert name in harness.__all__
        assert getattr(harness, name).__module__.startswith(module.rpartition(".")[0])
        assert attribute in (name, "open_results")
    assert harness.run is running.run


def test_python_m_harness_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr("harness.commands.run_module", lambda: called.append("run_module"))
    runpy.run_module("harness", run_name="__main__")
    assert called == ["run_module"]


def test_what_is_planned_is_what_was_asked_for() -> None:
    plan = planned(
        models="mean_image,trained",
        encoders="plain",
        losses="absolute",
        seeds="0,1",
        pools="max,mean",
        categories="large,small",
        holdout=0.25,
        metrics="auroc",
        precision="fp32",
    )
    assert len(plan.cells) == 8
    assert [type(one).name for one in plan.axes.models] == ["mean_image", "trained"]
    assert (plan.axes.holdout, plan.axes.image_size, plan.axes.epochs) == (0.25, 16, 2)
    assert (plan.axes.precision, plan.axes.calibrate) == ("fp32", "")
    assert plan.axes.categories == ["large", "small"]
    assert plan.pools == ["max", "mean"]
    assert [type(one).name for one in plan.thresholds] == ["highest"]
    assert (plan.device, plan.jobs, plan.executor) == ("cpu", 1, Local(1))
    assert (plan.trackers, plan.corruptions, plan.of_pixels, plan.floors) == ([], [], False, [])
    assert planned().pools is None
    assert planned(calibrate="crossfit").axes.calibrate == "crossfit"
    assert planned(metrics="pixel_iou").of_pixels


def test_a_worker_is_told_everything_that_a_trial_needs(tmp_path: Path) -> None:
    plan = planned(
        weights_dir=tmp_path,
        pools="max",
        corrupt="noise",
        trial_minutes=5,
        skip_unreadable=True,
        batch_size="auto",
        metrics="pixel_iou",
        keep_models=True,
        store=tmp_path / "runs",
    )
    config = plan.worker().config
    assert (config.device, config.data_root, config.weights_dir) == ("cpu", None, tmp_path)
    assert config.plugin_files == (DOTS,)
    assert (config.side_by_side, config.smaller_batches, config.pools) == (1, True, ("max",))
    assert (config.corruptions, config.pixels) == (("noise",), True)
    assert (config.isolate, config.trial_minutes, config.skip_unreadable) == (False, 5.0, True)
    assert config.keep is not None
    assert (config.keep.threshold, config.keep.pool) == ("highest", "max")
    assert config.keep.folder == (tmp_path / "runs" / "models").absolute()
    assert (tmp_path / "runs" / "models").is_dir()
    usual = planned().worker().config
    assert (usual.keep, usual.pools, usual.pixels, usual.smaller_batches) == (None, (), False, False)
    assert usual.threads == running.hardware.threads("cpu", planned().axes.precision, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dataset": "dots[n_train=6|8]"}, "dataset is 'dots[n_train=6|8]': expected one data set"),
        (
            {"data_root": "/no/such"},
            "data_root '/no/such' is not a folder: expected the folder that holds the data set",
        ),
        ({"weights_dir": "/no/such"}, "weights_dir '/no/such' is not a folder"),
        ({"categories": "larch"}, "no category 'larch'. Did you mean 'large'? Available: broken, large, small."),
        ({"models": "mean_imag"}, "no model 'mean_imag'. Did you mean 'mean_image'?"),
        ({"thresholds": "hihgest"}, "no threshold 'hihgest'. Did you mean 'highest'?"),
        ({"pools": "maxx"}, "no pool 'maxx'. Did you mean 'max'?"),
        ({"corrupt": "noisy"}, "no corruption 'noisy'. Did you mean 'noise'?"),
        ({"metrics": "aurok"}, "'aurok'"),
        ({"dataset": "mvtec_ad"}, "data set 'mvtec_ad' needs data_root, a folder such as "),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(asked: dict[str, Any], said: str) -> None:
    assert said in refused(**asked)


def data_set(**attributes: Any) -> Any:
    usual = {"name": "cables", "layout": "ROOT/cables", "homepage": "https://cables.example", "needs_root": True}
    return type("Cables", (harness.Dataset,), {**usual, **attributes, "__abstractmethods__": frozenset()})


def registry_of(part: Any) -> Registry:
    part.__abstractmethods__ = frozenset()
    found = Registry()
    register(found, [part])
    return found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"data_root": "/no"}, "data_root '/no' is not a folder: expected the folder that holds the data set"),
        ({"data_root": "/", "weights_dir": "/no"}, "weights_dir '/no' is not a folder"),
        ({"data_root": "/", "dataset": "cables[n=1|2]"}, "dataset is 'cables[n=1|2]': expected one data set"),
    ],
)
def test_a_folder_that_is_none_and_several_data_sets_are_refused(asked: dict[str, str], said: str) -> None:
    @dataclass
    class Cables(data_set()):  # type: ignore[misc]
        n: int = 3

    with pytest.raises(UsageError) as caught:
        _dataset(registry_of(Cables), Settings.of({"dataset": "cables", **asked}))
    assert str(caught.value) == said


@pytest.mark.parametrize(("asked", "told"), [({}, True), ({"quiet": True}, False), ({"log_json": "-"}, False)])
def test_a_run_tells_remarks_unless_it_is_quiet_or_events_are_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, asked: dict[str, Any], told: bool
) -> None:
    results = SimpleNamespace(verdicts=[])
    given: list[Any] = []

    def plan_run(settings: Settings, warn: Any) -> Any:
        warn("a remark on the plan")
        return SimpleNamespace(demo="a demo", judged=None)

    def fit(planned: Any, observers: Any, warn: Any) -> FinishedRun:
        given.append([type(one).__name__ for one in observers])
        return FinishedRun(RunSummary(fitted=2), results, None, ("an oddity",))  # type: ignore[arg-type]

    monkeypatch.setattr(running, "plan_run", plan_run)
    monkeypatch.setattr(running, "fit", fit)
    monkeypatch.setattr(running, "opened_log", lambda *_: nullcontext())
    assert harness.run(store="s", **asked) is results
    lines = ["a remark on the plan", "a demo", "an oddity", "2 fitted, 0 already there. Stored in s"]
    assert capsys.readouterr() == ("", "".join(f"harness: {line}\n" for line in lines) if told else "")
    assert bool(given[0]) is told
    assert not told or given[0][-1] == "PluginLines"


@pytest.mark.parametrize(
    ("homepage", "more"), [("https://cables.example", " Get it from https://cables.example"), ("", "")]
)
def test_data_that_is_missing_is_said_with_its_layout_and_where_to_get_it(homepage: str, more: str) -> None:
    registry = registry_of(data_set(homepage=homepage))
    with pytest.raises(UsageError) as caught:
        _dataset(registry, Settings.of({"dataset": "cables"}))
    assert str(caught.value) == f"data set 'cables' needs data_root, a folder such as ROOT/cables.{more}"


def test_a_data_set_is_given_its_root_and_whether_to_skip_what_cannot_be_read(tmp_path: Path) -> None:
    registry = registry_of(data_set())
    found = _dataset(registry, Settings.of({"dataset": "cables", "data_root": tmp_path, "skip_unreadable": True}))
    assert (type(found).name, found.root, found.skip_unreadable) == ("cables", tmp_path, True)


def test_where_nobody_gave_data_the_demo_says_that_it_gives_no_results() -> None:
    plan = planned(dataset=None, categories="bottle", models="mean_image")
    assert plan.demo == (
        f"No data_root: running the demo on the built-in 'synthetic' data set ({plan.axes.image_size} px, "
        f"{plan.axes.epochs} epoch{'s' * (plan.axes.epochs != 1)}, {plan.axes.weights} weights). These are not results."
    )
    assert planned().demo == ""
    assert planned(dataset="synthetic", categories="bottle").demo == ""
    no_defaults = replace(plan, axes=replace(plan.axes, dataset=SimpleNamespace(defaults={})))  # type: ignore[arg-type]
    assert no_defaults.demo == ""
    rooted = replace(plan, settings=replace(plan.settings, data_root=Path()))
    assert rooted.demo == ""


def test_a_data_set_that_needs_no_folder_is_spelt_for_commands_and_floors_are_those_of_the_registry() -> None:
    plan = planned(dataset="dots[n_train=8]", floors=True)
    assert plan.rootless == ("dots[n_train=8]",)
    rooted = replace(plan, axes=replace(plan.axes, dataset=SimpleNamespace(needs_root=True)))  # type: ignore[arg-type]
    assert rooted.rootless == ()
    assert [type(one).name for one in plan.floors] == [type(one).name for one in plan.registry.floors()]
    assert plan.floors
    assert replace(plan, settings=replace(plan.settings, floors=False)).floors == []


def test_remarks_of_the_plan_are_told_as_they_come(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_package")
    told: list[str] = []
    planned(told.append, plugins=[DOTS, broken])
    assert len(told) == 1
    assert told[0].startswith(f"plugin broken ({broken} ")
    assert "cannot be imported: ModuleNotFoundError" in told[0]


def test_cells_that_can_none_be_fitted_are_refused_with_each_reason_once() -> None:
    said = refused(models="trained", encoders="plain", losses="absolute", calibrate="rest")
    assert said
    assert len(set(said.split("; "))) == len(said.split("; "))


def summary(**given: Any) -> RunSummary:
    return RunSummary(**given)


@pytest.mark.parametrize(
    ("came", "statuses", "code"),
    [
        ({}, ["done"], 0),
        ({"unfinished": [1]}, ["done"], 3),
        ({"unkept": [1]}, ["done"], 3),
        ({}, ["done", "error"], 3),
        ({}, [], 0),
    ],
)
def test_the_exit_code_is_3_where_something_is_missing(came: dict[str, Any], statuses: list[str], code: int) -> None:
    results: Any = SimpleNamespace(verdicts=[SimpleNamespace(status=one) for one in statuses])
    assert FinishedRun(summary(**came), results, None).exit_code == code


def test_models_are_kept_with_the_first_limit_that_a_production_line_could_set(tmp_path: Path) -> None:
    plan = planned(thresholds="peek,highest,mean", keep_models=True, store=tmp_path / "deep" / "runs")
    folder = _folder_of_models(plan)
    assert folder.threshold == "highest"
    assert (tmp_path / "deep" / "runs" / "models").is_dir()
    with pytest.raises(UsageError) as caught:
        _folder_of_models(planned(thresholds="peek", store=tmp_path))
    assert str(caught.value) == (
        "keep_models needs a threshold that sees normal images only: add one, such as mean, to thresholds"
    )
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ModelError, match=r"^folder of models '.*/file/models' cannot be made: (Not a directory|File exists)$"
    ):
        _folder_of_models(planned(store=tmp_path / "file"))


@dataclass
class Own(Model):
    """A model of this process."""

    name = "own_model"
    uses = frozenset()
    gain: float = 1.0

    def fit(self, normal: Any, *, encoder: Any, loss: Any, run: Any) -> None: ...

    def score(self, images: Any) -> Scores:
        return Scores(images=self.gain * images.pixels.mean(axis=(1, 2, 3)))


@dataclass
class Highest(Threshold):
    name = "own_limit"

    def fit(self, normal: np.ndarray) -> float:
        return float(normal.max())


class Elsewhere(harness.Executor):
    name = "elsewhere"

    def run(self, trials: Any, worker: Any, observer: Any) -> Any:
        yield from ()


@pytest.mark.parametrize(
    ("executor", "asked", "said"),
    [
        (
            Local(2),
            {},
            "model 'own_model' was defined in this process, and jobs other than 1 run in others, which do not have it: "
            "save Own with its hook in a .py file and give plugins=['that_file.py'], or run here with jobs=1",
        ),
        (
            Elsewhere(),
            {},
            "model 'own_model' was defined in this process, and executor 'elsewhere' runs trials in others, which do "
            "not have it: save Own with its hook in a .py file and give plugins=['that_file.py'], or run here with "
            "executor='local'",
        ),
        (
            Local(1),
            {"isolate": True},
            "model 'own_model' was defined in this process, and isolate runs trials in others: save it with its hook "
            "in a .py file, and give plugins",
        ),
        (
            Local(1),
            {"trial_minutes": 2},
            "model 'own_model' was defined in this process, and trial_minutes runs trials in others: save it with its "
            "hook in a .py file, and give plugins",
        ),
    ],
)
def test_a_part_of_this_process_cannot_be_fitted_in_another(executor: Any, asked: dict[str, Any], said: str) -> None:
    registry = registry_with([Own])
    installed: Any = SimpleNamespace(offers=lambda kind: registry.offers(kind))
    if isinstance(executor, Elsewhere):
        offered = {"elsewhere": SimpleNamespace(plugin=SimpleNamespace(distribution="acme"))}
        installed.offers = lambda kind: offered if kind is harness.Executor else registry.offers(kind)
    with pytest.raises(UsageError) as caught:
        _where_parts_are(installed, [Own()], executor, Settings.of(asked))
    assert str(caught.value) == said


def test_thresholds_of_this_process_need_to_go_along_only_where_models_are_kept(tmp_path: Path) -> None:
    asked = {"thresholds": [Highest()], "jobs": 2, "store": tmp_path / "runs"}
    assert planned(**asked).executor == Local(2)
    assert "threshold 'own_limit' was defined in this process" in refused(**asked, keep_models=True)
    assert planned(**asked | {"jobs": None}, keep_models=True).executor == Local(1)


def test_a_run_gives_results_and_says_on_stderr_what_it_did(run: Any, tmp_path: Path, capsys: Any) -> None:
    results = run(models=[Own(2.0)], thresholds=[Highest()])
    said = capsys.readouterr()
    assert f"harness: 1 fitted, 0 already there. Stored in {tmp_path / 'runs'}" in said.err
    assert said.out == ""
    (verdict,) = results.verdicts
    assert (verdict.trial.model, verdict.status) == ("own_model[gain=2]", "done")
    again = run(models=[Own(2.0)], thresholds=[Highest()], quiet=True)
    assert capsys.readouterr() == ("", "")
    assert [one.trial for one in again.verdicts] == [verdict.trial]


def test_each_step_is_a_line_of_json_where_that_is_asked_for(run: Any, tmp_path: Path, capsys: Any) -> None:
    log = tmp_path / "log.jsonl"
    run(log_json=str(log), quiet=True)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(events) >= 3
    assert events[-1]["exit_code"] == 0
    capsys.readouterr()
    run(log_json="-")
    lines = capsys.readouterr().err.splitlines()
    assert lines, "they are on stderr, and nothing else is"
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_what_is_missing_in_a_run_is_counted(run: Any, tmp_path: Path, capsys: Any) -> None:
    log = tmp_path / "log.jsonl"
    results = run(categories="large,broken", log_json=str(log))
    assert "1 fitted, 0 already there, 1 skipped or failed. Stored in" in capsys.readouterr().err
    assert json.loads(log.read_text().splitlines()[-1])["exit_code"] == 3
    assert len(results.verdicts) == 2


def test_a_part_that_was_edited_since_is_named_with_what_is_done_about_it(
    run: Any, tmp_path: Path, capsys: Any
) -> None:
    def source(factor: int) -> Path:
        file = tmp_path / "edited.py"
        file.write_text(
            "from harness import Model, Scores, hookimpl\nclass Edited(Model):\n    name = 'edited'\n    uses = frozenset()\n"
            "    def fit(self, normal, *, encoder, loss, run): pass\n"
            f"    def score(self, images): return Scores(images={factor} * images.pixels.mean(axis=(1, 2, 3)))\n"
            "@hookimpl\ndef harness_models(): return [Edited]\n"
        )
        return file

    run(plugins=[DOTS, source(1)], models="edited")
    capsys.readouterr()
    results = run(plugins=[DOTS, source(2)], models="edited")
    said = capsys.readouterr().err
    assert "has changed since trials of it were stored (code " in said
    assert (
        "those are shown, and not fitted again. refit_edited fits them again and replaces them; to keep both give the "
        "part another name, or run into another store"
    ) in said
    assert any("has changed since trials of it were stored" in remark for remark in results.remarks)
    fitted_again = SimpleNamespace(trial=None, record=None)
    edits = SimpleNamespace(of=lambda trial, record: {"model edited": ("then", "now")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "Edits", lambda registry: edits)
        plan = planned(refit_edited=True)
        (line,) = running._of_edited(plan, [fitted_again, fitted_again])  # type: ignore[list-item]
    assert line == (
        "model edited has changed since trials of it were stored (code then, now now): a trial of it that could not be "
        "fitted again is shown as it was stored"
    )


def test_the_page_of_a_trial_is_html_with_its_title(run: Any, tmp_path: Path) -> None:
    (verdict,) = run(quiet=True).verdicts
    plan = planned(store=tmp_path / "runs")
    page = plan.page_of(verdict.outcome.id)
    assert "<html" in page
    assert "mean_image" in page
    assert "large" in page


def test_floors_are_fitted_beside_and_count_as_none_of_the_cells(run: Any, capsys: Any) -> None:
    results = run(floors=True)
    assert "1 fitted, 0 already there" in capsys.readouterr().err
    assert {one.trial.model for one in results.verdicts} > {"mean_image"}
