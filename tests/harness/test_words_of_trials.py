"""Sentences of trials, each asked of the function that makes it: of ends, oddities, data sets, presets and executors."""

from __future__ import annotations

import contextlib
import json
import signal
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.api import Dataset, Encoder, Executor, Part
from harness.errors import DataError, ModelError, UnavailableError, UsageError
from harness.trials import datasets, hardware, installation, presets
from harness.trials.endings import ending, too_late
from harness.trials.executors import asked
from harness.trials.executors.local import Local
from harness.trials.models_folder import is_inside, models_of
from harness.trials.oddities import of_changes, of_kept, of_memory, of_unasked
from harness.trials.repeat import command_of
from harness.trials.schedule import RunSummary
from harness.trials.settings import Settings
from harness.trials.trial import Trial

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 2, 16, 3, 4, 1e-4, 0.0, "fp32", "-")
PLAIN = TRIAL._replace(model="gaussian", encoder="-", loss="-", epochs=0, batch_size=0, learning_rate=0.0)
TITLE = "large · dae + conv + mse · seed 2"


# How a process ended.


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-signal.SIGKILL, "was killed by SIGKILL, perhaps for want of memory"),
        (-signal.SIGTERM, "was killed by SIGTERM"),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-1, "was killed by SIGHUP"),
        (0, "ended with exit code 0"),
        (7, "ended with exit code 7"),
        (None, "ended with exit code None"),
    ],
)
def test_how_a_process_ended_is_said_by_signal_or_exit_code(code: int | None, said: str) -> None:
    assert ending(code) == said


def test_a_trial_that_took_too_long_says_what_set_the_limit() -> None:
    assert too_late(0.5) == "it took longer than the 0.5 minutes that a trial may take (trial_minutes), and was ended"


# What was odd about a run.


class _There(Executor):
    name = "there"

    def run(self, trials: Any, worker: Any, observer: Any) -> Any: ...

    def side_by_side(self, device: str, trials: int) -> int:
        return 1


def test_nothing_is_said_of_a_run_without_oddities() -> None:
    nothing = RunSummary()
    assert [*of_changes(nothing), *of_memory(nothing), *of_unasked(nothing, _There()), *of_kept(nothing, "-")] == []


def test_what_plugins_changed_is_said_once_for_each_method() -> None:
    changed = {("a", "one"): TRIAL, ("b", "one"): TRIAL, ("a", "two"): TRIAL}
    assert list(of_changes(RunSummary(changed=changed))) == [
        "the parts of a changed one and two for the whole process, which was put back",
        "the parts of b changed one for the whole process, which was put back",
    ]


@pytest.mark.parametrize(("count", "more"), [(1, ""), (3, " and 2 more")])
def test_the_first_of_odd_trials_is_named_and_the_others_are_counted(count: int, more: str) -> None:
    summary = RunSummary(
        alone=[TRIAL] * count, unasked=[TRIAL] * count, kept_faults=[(TRIAL, "it is cut")] * count, again=9
    )
    assert list(of_memory(summary)) == [
        f"{TITLE}{more} ran out of memory beside other trials, and had a second try alone; fewer jobs avoid that"
    ]
    assert list(of_unasked(summary, _There())) == [
        f"executor there gave an outcome of {TITLE}{more} that nobody waited for, as where it gives one twice: the "
        "first one of each trial counts, and the others are left out"
    ]
    assert list(of_kept(summary, "--keep-models")) == [
        f"{TITLE}{more.replace(' and', ', and')}: fitted again, for the kept model could not be used: it is cut"
    ]


@pytest.mark.parametrize(
    ("again", "why", "said"),
    [
        (1, ["pool max", "corruption blur"], True),
        (1, ["pool max"], False),
        (0, ["corruption blur"], False),
    ],
)
def test_other_fits_for_corruptions_are_said_to_be_spared_by_kept_models(
    again: int, why: list[str], said: bool
) -> None:
    found = list(of_kept(RunSummary(again=again, again_for=why), "--keep-models"))
    line = "corruptions take no other fit where models are kept (--keep-models): none was kept of these trials"
    assert found == [line] * said


# The command that makes a trial again.


@pytest.mark.parametrize(
    ("trial", "rootless", "categories", "said"),
    [
        (
            TRIAL,
            ["dots"],
            [],
            "harness run --dataset dots --categories large --models dae --encoders conv --losses mse --seeds 2 "
            "--image-size 16 --epochs 3 --batch-size 4 --learning-rate 0.0001 --precision fp32",
        ),
        (
            PLAIN._replace(holdout=0.2, weights="random"),
            [],
            ["large", "b, c"],
            "harness run --dataset dots --data-root DATA_ROOT --categories 'large,\"b, c\"' --models gaussian --seeds 2 "
            "--image-size 16 --holdout 0.2 --precision fp32 --weights random",
        ),
        (
            PLAIN._replace(encoder="vgg16", calibrate="crossfit", shots=4, category="all"),
            ["mvtec_ad"],
            [],
            "harness run --dataset dots --data-root DATA_ROOT --categories '\"all\"' --models gaussian --encoders vgg16 "
            "--seeds 2 --image-size 16 --calibrate crossfit --shots 4 --precision fp32",
        ),
    ],
)
def test_a_trial_is_made_again_by_a_command_that_says_what_it_used(
    trial: Trial, rootless: list[str], categories: list[str], said: str
) -> None:
    assert command_of(trial, rootless, categories) == said


# Data sets.


class _Data(Dataset):
    name = "given"

    def __init__(self, **more: Any) -> None:
        vars(self).update(more)

    def categories(self) -> Any:
        return self._of("found", ("a", "b"))

    def load(self, category: str, image_size: int) -> Any:
        return self._of("split", None)

    def _of(self, name: str, usual: Any) -> Any:
        value = vars(self).get(name, usual)
        if isinstance(value, BaseException):
            raise value
        return value


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (KeyError("x"), "data set 'given' cannot tell its categories: KeyError: 'x' (test_words_of_trials.py:"),
        (SystemExit(3), "data set 'given' cannot tell its categories: SystemExit: 3 (test_words_of_trials.py:"),
        (["a", 3], "data set 'given' has a category 3: expected a name"),
        (["", "a"], "data set 'given' has a category '': expected a name"),
        (DataError("the disk is gone"), "the disk is gone"),
    ],
)
def test_categories_that_cannot_be_told_are_an_error_of_the_data(found: Any, said: str) -> None:
    with pytest.raises(DataError) as error:
        datasets.categories_of(_Data(found=found))
    assert str(error.value).startswith(said)


def test_categories_are_told_in_their_order_and_an_interrupt_passes_through() -> None:
    assert datasets.categories_of(_Data(found=["b", "a"])) == ("b", "a")
    for ask in (datasets.categories_of, lambda data: datasets.load(data, "a", 8)):
        with pytest.raises(KeyboardInterrupt):
            ask(_Data(found=KeyboardInterrupt(), split=KeyboardInterrupt()))


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (KeyError("x"), "category 'a' cannot be loaded: KeyError: 'x' (test_words_of_trials.py:"),
        (SystemExit(3), "category 'a' cannot be loaded: SystemExit: 3 (test_words_of_trials.py:"),
        (UnavailableError("the net is gone"), "the net is gone"),
        (3, "category 'a' of data set 'given' cannot be used: "),
    ],
)
def test_images_that_cannot_be_loaded_are_an_error_of_the_category(split: Any, said: str) -> None:
    with pytest.raises((DataError, UnavailableError)) as error:
        datasets.load(_Data(split=split), "a", 8)
    assert str(error.value).startswith(said)


class _Registry:
    """Offers these data sets, and makes each with what it was asked for."""

    def __init__(self, **offered: Any) -> None:
        self.offered, self.made = offered, list[str]()

    def offers(self, kind: type[Part]) -> dict[str, Any]:
        return self.offered

    def make(self, kind: type[Part], text: str) -> Any:
        self.made.append(text)
        return self.offered[text.partition("[")[0]]


def test_a_data_set_looks_at_its_root_as_it_was_asked_to() -> None:
    data: Any = _Data()
    registry: Any = _Registry(given=data)
    assert datasets.open_dataset(registry, "given", Path("r"), "pad", skip_unreadable=True) is data
    assert (data.root, data.resize, data.skip_unreadable) == (Path("r"), "pad", True)
    datasets.open_dataset(registry, "given", None)
    assert (data.root, data.resize, data.skip_unreadable) == (None, "stretch", False)


def finds(*categories: str) -> _Data:
    return _Data(found=categories)


NONE = _Data(found=DataError("nothing here"))


def test_own_photos_are_read_by_the_first_layout_that_finds_some(tmp_path: Path) -> None:
    folder, photos = finds("a"), finds("b")
    (tmp_path / "list.csv").write_text("")
    table = _Registry(folder=folder, photos=photos, table=photos)
    for registry, place, found, root, made in (
        (_Registry(folder=folder, photos=photos), tmp_path, folder, tmp_path, ["folder"]),
        (_Registry(folder=NONE, photos=photos), tmp_path, photos, tmp_path, ["folder", "photos"]),
        (_Registry(photos=photos), tmp_path, photos, tmp_path, ["photos"]),
        (_Registry(folder=NONE, photos=NONE, table=table), tmp_path, table, tmp_path, ["folder", "photos", "table"]),
        (table, tmp_path / "list.csv", photos, tmp_path, ["table[file=list.csv]"]),
    ):
        if found is table:
            registry.offered["table"] = found = finds("c")
        assert datasets.own_photos(registry, place) == (found, root)  # type: ignore[arg-type]
        assert registry.made == made
    assert folder.root == tmp_path


def test_what_holds_no_photos_is_said_with_what_would(tmp_path: Path) -> None:
    registry: Any = _Registry(folder=NONE)

    def refused(place: Path) -> str:
        with pytest.raises((UsageError, DataError)) as error:
            datasets.own_photos(registry, place)
        return str(error.value).replace(str(tmp_path), "T")

    (tmp_path / "one.JPG").write_bytes(b"")
    (tmp_path / "list.csv").write_text("")
    assert refused(tmp_path / "one.JPG") == "T/one.JPG is one photo: give the folder that holds the good ones"
    assert refused(tmp_path / "list.csv") == "T/list.csv is a file: expected a folder of photos"
    assert refused(tmp_path) == (
        "T holds no photos: expected a folder with good/ and bad/, one of good photos, or a table (CSV) of them"
    )
    for name in (".hidden", "d", "c", "b", "a"):
        (tmp_path / name).mkdir()
    called = "call that of the good ones good and that of the bad ones bad, or give the folder of the good ones alone"
    said = "T has no folder whose name says that its photos are good (it has a, b, c, d"
    assert refused(tmp_path) == f"{said}): {called}"
    (tmp_path / "e").mkdir()
    assert refused(tmp_path) == f"{said}, ...): {called}"
    assert refused(tmp_path / "gone") == "T/gone cannot be looked at: No such file or directory"


def test_a_learner_of_one_part_is_given_one_category(tmp_path: Path) -> None:
    def photos(*categories: str) -> Any:
        return datasets.photos_of_one_part(_Registry(photos=finds(*categories)), tmp_path, "a model")  # type: ignore[arg-type]

    dataset, root, category = photos("a")
    assert (dataset.name, root, category) == ("given", tmp_path, "a")

    def refused(*categories: str) -> str:
        with pytest.raises(UsageError) as error:
            photos(*categories)
        return str(error.value).replace(str(tmp_path), "T")

    assert refused("a", "b") == "T holds 2 kinds of part (a, b): a model learns one, so give one of them, such as T/a"
    assert refused(*"abcde").startswith("T holds 5 kinds of part (a, b, c, d, e): ")
    assert refused(*"abcdef").startswith("T holds 6 kinds of part (a, b, c, d, e, ...): ")
    with pytest.raises(UsageError) as error:
        datasets.photos_of_one_part(_Registry(), tmp_path / "gone", "a model")  # type: ignore[arg-type]
    assert str(error.value).replace(str(tmp_path), "T") == (
        "no folder T/gone: expected a folder with good/ and bad/, or one of good photos"
    )


@pytest.mark.parametrize(
    ("homepage", "layout", "said"),
    [
        ("https://x.org", "ROOT/a", "get given from https://x.org and lay the images out as ROOT/a"),
        ("", "ROOT/a", "lay the images out as ROOT/a"),
        ("https://x.org", "", "get given from https://x.org"),
        ("", "", "see its plugin"),
    ],
)
def test_how_to_get_a_data_set_is_said_by_what_it_knows_of_itself(homepage: str, layout: str, said: str) -> None:
    assert datasets.how_to_get(_Data(homepage=homepage, layout=layout)) == said


@pytest.mark.parametrize(
    ("offered", "name"),
    [
        ({"mvtec_ad": finds("a"), "folder": finds("a"), "photos": finds("a")}, "mvtec_ad"),
        ({"mvtec_ad": NONE, "folder": finds("a"), "photos": finds("a")}, "folder"),
        ({"photos": finds("a")}, "photos"),
        ({"mvtec_ad": NONE, "folder": NONE, "photos": NONE}, "mvtec_ad"),
        ({}, "mvtec_ad"),
    ],
)
def test_where_none_is_named_the_data_set_is_the_first_that_finds_images(offered: Any, name: str) -> None:
    assert datasets.usual_dataset(_Registry(**offered), Path("r")) == name  # type: ignore[arg-type]
    assert datasets.usual_dataset(_Registry(**offered), None) == "synthetic"  # type: ignore[arg-type]


# Presets.


class _Backbones:
    """Makes encoders, of which these have their weights at hand."""

    def __init__(self, *there: str) -> None:
        self.there, self.runs = there, list[Any]()

    def make(self, kind: type[Part], text: str) -> Any:
        assert kind is Encoder

        def build(run: Any) -> None:
            self.runs.append(run)
            if text not in self.there:
                raise UnavailableError(f"no weights of {text}")

        return SimpleNamespace(build=build)


LITE, VGG = presets.BACKBONES
OWN: Any = SimpleNamespace(name="photos", preset="own_images")
PAPER: Any = SimpleNamespace(name="mvtec_ad", preset="kumar_2025")


@pytest.mark.parametrize(("there", "found"), [((LITE, VGG), LITE), ((VGG,), VGG)])
def test_the_first_encoder_with_weights_at_hand_is_taken(there: tuple[str, ...], found: str) -> None:
    registry: Any = _Backbones(*there)
    assert presets.backbone_at_hand(registry, Path("w"), 64) == (found, "")
    assert {(run.image_size, run.weights_dir) for run in registry.runs} == {(64, Path("w"))}
    assert presets.backbone_at_hand(_Backbones(), None, 64) == (None, f"no weights of {LITE}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "there", "chosen", "remark"),
    [
        (
            {},
            (LITE,),
            {"models": ("gaussian", "patchcore"), "encoders": (LITE,), "thresholds": ("quantile",), "calibrate": "crossfit"},
            f"preset own_images: calibrate crossfit, encoders {LITE}, models gaussian,patchcore, thresholds quantile "
            "(preset kumar_2025 is the paper's)",
        ),
        (
            {},
            (),
            {"encoders": ("conv",)},
            "preset own_images: calibrate crossfit, encoders conv, models gaussian,patchcore, thresholds quantile (preset "
            "kumar_2025 is the paper's); no published weights are at hand, so features are random, which is weaker: no "
            f"weights of {LITE}",
        ),
        (
            {"holdout": 0.2},
            (LITE,),
            {"calibrate": None, "holdout": 0.2},
            f"preset own_images: encoders {LITE}, models gaussian,patchcore, thresholds quantile (preset kumar_2025 is "
            "the paper's)",
        ),
        (
            {"max_false_alarms": 0.01, "calibrate": "train"},
            (LITE,),
            {"calibrate": "train", "thresholds": ("tolerance[alpha=0.01]",)},
            f"preset own_images: encoders {LITE}, models gaussian,patchcore (preset kumar_2025 is the paper's)",
        ),
        (
            {"models": "dae"},
            (),
            {"models": ("dae",), "encoders": ("conv",), "losses": ("mse", "ssim"), "thresholds": ("mean",)},
            "limits are the mean score of the fitted images, as in the paper, and call about half of new good parts "
            "anomalous: preset own_images sets them on images that were not fitted",
        ),
        ({"models": "dae", "calibrate": "holdout"}, (), {"holdout": 0.2}, ""),
        ({"models": "dae", "thresholds": "mad"}, (), {"thresholds": ("mad",)}, ""),
        ({"preset": "kumar_2025"}, (LITE,), {"models": ("dae", "cae"), "encoders": ("conv",), "calibrate": None}, ""),
    ],
)  # fmt: skip
def test_a_preset_fills_in_what_nobody_asked_for_and_says_so(
    given: dict[str, Any], there: tuple[str, ...], chosen: dict[str, Any], remark: str
) -> None:
    settings = Settings.of(given)
    done, said = presets.with_preset(settings, OWN, _Backbones(*there), 64)  # type: ignore[arg-type]
    assert {name: getattr(done, name) for name in chosen} == chosen
    assert said == remark


def test_a_preset_is_the_one_asked_for_that_of_the_data_or_the_papers_for_a_method() -> None:
    def preset(data: Any, **given: Any) -> str:
        return presets.preset_of(Settings.of(given), data)

    assert (preset(OWN), preset(PAPER)) == ("own_images", "kumar_2025")
    for method in ("models", "encoders", "losses"):
        assert preset(OWN, **{method: "x"}) == "kumar_2025"
        assert preset(OWN, **{method: "x"}, preset="own_images") == "own_images"
    assert preset(OWN, thresholds="mad") == "own_images"
    assert presets.with_preset(Settings(), PAPER, _Backbones(), 64)[1] == ""  # type: ignore[arg-type]
    with pytest.raises(UsageError) as error:
        preset(SimpleNamespace(name="odd", preset="own_image"))
    assert str(error.value) == (
        "data set 'odd': no preset 'own_image'. Did you mean 'own_images'? Available: kumar_2025, own_images."
    )


def test_on_the_command_line_a_preset_is_named_as_its_option() -> None:
    done = presets.with_preset(Settings.of({}, "command line"), OWN, _Backbones(LITE), 64)  # type: ignore[arg-type]
    assert "(--preset kumar_2025 is the paper's)" in done[1]


# Executors.


@dataclass(frozen=True)
class _Elsewhere(Executor):
    name = "elsewhere"
    address: str | None = None
    cpus: float | None = None

    def __post_init__(self) -> None:
        if self.cpus == 7:
            raise ValueError("7 is odd")

    def run(self, trials: Any, worker: Any, observer: Any) -> Any: ...

    def prepare(self, wanted: str) -> Any:
        return _told(self.address)

    def side_by_side(self, device: str, trials: int) -> Any:
        return _told(self.address)


def _told(value: Any) -> Any:
    if isinstance(value, BaseException):
        raise value
    return value


def refused(ask: Any) -> str:
    with pytest.raises(UsageError) as error:
        ask()
    return str(error.value)


def test_an_executor_says_the_device_and_how_many_trials_share_a_machine() -> None:
    there: Any = _Elsewhere
    assert asked.device_of(there("cuda:3"), "auto") == "cuda:3"
    assert asked.device_of(there(None), "cpu") == "cpu"
    assert asked.jobs_of(there(3), "cpu", 9) == 3
    assert asked.jobs_of(there(1), "cpu", 9) == 1
    for ask in (lambda e: asked.device_of(e, "cpu"), lambda e: asked.jobs_of(e, "cpu", 1)):
        with pytest.raises(KeyboardInterrupt):
            ask(there(KeyboardInterrupt()))
        with pytest.raises(UnavailableError, match="^no cluster$"):
            ask(there(UnavailableError("no cluster")))


@pytest.mark.parametrize(
    ("value", "device", "jobs"),
    [
        (3, "executor elsewhere[address=3] says the device 3, expected text such as cuda, or None", ""),
        (0, "", "executor elsewhere[address=0] says 0 trials side by side, expected a number from 1"),
        (True, "", "executor elsewhere[address=true] says True trials side by side, expected a number from 1"),
        ("2", "", "executor elsewhere[address=2] says '2' trials side by side, expected a number from 1"),
    ],
)
def test_an_executor_that_says_something_else_is_told_what_was_expected(value: Any, device: str, jobs: str) -> None:
    if device:
        assert refused(lambda: asked.device_of(_Elsewhere(value), "cpu")) == device
    if jobs:
        assert refused(lambda: asked.jobs_of(_Elsewhere(value), "cpu", 1)) == jobs


def test_an_executor_that_fails_cannot_be_used_and_the_place_is_told() -> None:
    for ask in (lambda e: asked.device_of(e, "cpu"), lambda e: asked.jobs_of(e, "cpu", 1)):
        for error in (KeyError("x"), SystemExit("x")):
            said = refused(lambda ask=ask, error=error: ask(_Elsewhere(error)))
            assert "] cannot be used: " in said
            assert f": {type(error).__name__}: " in said
            assert "(test_words_of_trials.py:" in said


class _Executors:
    """Makes the two executors from their spellings."""

    def make(self, kind: type[Part], text: str) -> Any:
        return {
            "local": Local(),
            "local[jobs=2]": Local(2),
            "elsewhere": _Elsewhere(),
            "plain": _There(),
        }[text]


def executor(**given: Any) -> Executor:
    return asked.executor_of(_Executors(), Settings.of(given))  # type: ignore[arg-type]


def test_settings_fill_in_the_options_of_an_executor() -> None:
    assert executor() == Local()
    assert executor(jobs=3) == Local(3)
    assert executor(jobs=2, executor="local[jobs=2]") == Local(2)
    assert executor(executor="elsewhere", ray_address="a:1", cpus_per_trial=2) == _Elsewhere("a:1", 2)
    assert executor(trial_minutes=3) == Local()
    assert executor(executor="elsewhere", trial_minutes=3, isolate=True) == _Elsewhere()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"executor": "elsewhere", "trial_minutes": 3},
            "executor 'elsewhere' cannot end a trial that is late: give isolate as well, which can, or leave out "
            "trial_minutes",
        ),
        (
            {"executor": "elsewhere", "jobs": 3},
            "jobs is for an executor with the option 'jobs', and 'elsewhere' is none: its options are address, cpus",
        ),
        (
            {"executor": "plain", "ray_address": "a"},
            "ray_address is for an executor with the option 'address', and 'there' is none: it has no options",
        ),
        (
            {"executor": "local[jobs=2]", "jobs": 3},
            "jobs is 3, and the executor is local[jobs=2]: give one of the two",
        ),
        ({"executor": "elsewhere", "cpus_per_trial": 7}, "cpus_per_trial: 7 is odd"),
        (
            {"gpus_per_trial": 1},
            "gpus_per_trial is for an executor with the option 'gpus', and 'local' is none: its options are jobs",
        ),
    ],
)
def test_settings_that_an_executor_cannot_follow_are_refused(given: dict[str, Any], said: str) -> None:
    assert refused(lambda: executor(**given)) == said


@pytest.mark.parametrize(
    ("device", "trials", "found"), [("cuda", 9, 4), ("cuda:1", 2, 2), ("mps", 9, 1), ("cpu", 9, 3), ("cpu", 2, 2)]
)
def test_so_many_trials_share_a_device(monkeypatch: pytest.MonkeyPatch, device: str, trials: int, found: int) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 3)
    assert Local().side_by_side(device, trials) == found


# The machine.


@pytest.mark.parametrize(
    ("asked_for", "on", "precision", "side_by_side", "found"),
    [
        ("3", "cpu", "fp32", 1, 3),
        ("99", "cpu", "fp32", 1, 8),
        ("0", "cpu", "fp32", 1, 2),
        ("-1", "cpu", "fp32", 9, 2),
        ("many", "cuda:0", "bf16", 1, 2),
        ("", "cuda", "fp32", 4, 2),
        ("", "cpu", "bf16", 1, None),
        ("", "cpu", "bf16", 3, 2),
        ("", "cpu", "bf16", 99, 1),
        ("", "mps", "fp32", 1, None),
        ("", "mps", "fp32", 2, 4),
    ],
)
def test_a_fit_has_so_many_threads(
    monkeypatch: pytest.MonkeyPatch, asked_for: str, on: str, precision: str, side_by_side: int, found: int | None
) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked_for)
    assert hardware.threads(on, precision, side_by_side) == found
    monkeypatch.setattr(hardware, "cores", lambda: 1)
    assert hardware.threads("cpu", "fp32", 1) == hardware.threads("cuda", "fp32", 1) == 1


def test_within_a_limit_libraries_have_so_many_threads_and_afterwards_as_many_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    before = torch.get_num_threads()
    environ = hardware.os.environ
    with contextlib.suppress(KeyError), hardware.limited_to(before + 1):
        assert hardware.threads_in_use() == torch.get_num_threads() == before + 1
        assert [environ[name] for name in names] == [str(before + 1)] * 3
        raise KeyError
    assert torch.get_num_threads() == before
    assert [environ.get(name) for name in names] == ["5", None, ""]
    monkeypatch.setattr(hardware, "cores", lambda: 2)
    for count, found in ((0, "1"), (10**9, "256"), (-3, "1")):
        with hardware.limited_to(count):
            assert environ["OMP_NUM_THREADS"] == found
    with hardware.limited_to(None):
        assert environ["OMP_NUM_THREADS"] == "5"


def test_an_accelerator_is_looked_for_by_the_files_of_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()
    monkeypatch.setattr(hardware.Path, "exists", lambda self: str(self) in there)
    assert not hardware._has_accelerator_files()
    for file in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"):
        there.clear()
        there.add(file)
        assert hardware._has_accelerator_files()


def test_a_machine_is_told_by_system_processor_cores_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(hardware.platform, "system", lambda: "Linux")
    monkeypatch.setattr(hardware.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(hardware.platform, "processor", lambda: "")
    monkeypatch.setattr(hardware, "_cpu_info", dict)
    monkeypatch.setattr(hardware.os, "cpu_count", lambda: 6)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda on: f"GPU of {on}")
    assert hardware.machine("cuda:1") == {
        "system": "Linux x86_64", "cpu": "unknown", "cores": 6, "device": "GPU of cuda:1",
    }  # fmt: skip
    monkeypatch.setattr(hardware.platform, "processor", lambda: "arm")
    assert (hardware.machine("mps")["cpu"], hardware.machine("mps")["device"]) == ("arm", "mps")


# The installation.


def test_version_commit_python_torch_and_device_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "release", lambda: "1.2")
    monkeypatch.setattr(installation, "device", lambda: "cpu (X, 2 cores)")
    monkeypatch.setattr(installation.platform, "python_version", lambda: "3.11.1")
    monkeypatch.setattr(installation, "_installed", {"torch": "2.5"}.get)
    monkeypatch.setattr(installation, "commit", lambda: "abc-dirty")
    assert installation.in_one_line() == "1.2 (commit abc-dirty), Python 3.11.1, torch 2.5, cpu (X, 2 cores)"
    monkeypatch.setattr(installation, "commit", lambda: None)
    monkeypatch.setattr(installation, "_installed", lambda name: None)
    assert installation.in_one_line() == "1.2, Python 3.11.1, torch not installed, cpu (X, 2 cores)"


@pytest.mark.parametrize("text", ['{"vcs_info": {"commit_id": "0123456789abcdef"}}', "{}", None, "no JSON"])
def test_the_commit_is_first_that_which_was_installed(
    monkeypatch: pytest.MonkeyPatch, text: str | None, tmp_path: Path
) -> None:
    def read_text(name: str) -> str | None:
        assert name == "direct_url.json"
        return text

    monkeypatch.setattr(installation, "distribution", lambda name: SimpleNamespace(read_text=read_text))
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    assert installation.commit() == ("0123456789" if text and "vcs" in text else None)


def test_variables_that_change_what_it_does_are_told_without_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "HARNESS_OFFLINE": "1", "HARNESS_CACHE": "/home/jo/c", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "3",
        "CUDA_VISIBLE_DEVICES": "0,1", "PATH": "/bin", "MY_HARNESS_X": "1",
    }  # fmt: skip
    monkeypatch.setattr(installation.os, "environ", told)
    assert json.dumps(installation.environment()) == json.dumps({
        "CUDA_VISIBLE_DEVICES": "0,1", "HARNESS_CACHE": "set, a path", "HARNESS_OFFLINE": "1", "MKL_NUM_THREADS": "3",
        "OMP_NUM_THREADS": "2",
    })  # fmt: skip


def test_of_a_requirement_the_name_is_what_stands_before_anything_else() -> None:
    named = {"torch>=2.4; extra == 'onnx'": "torch", " a.b-c_d (>1)": "a.b-c_d", "x[y]": "x", "": "", ">=1": ""}
    assert {text: installation._name_of(text) for text in named} == named
    assert installation._installed("no-such-distribution-anywhere") is None


def test_without_metadata_there_are_no_packages_and_no_issues(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "metadata", missing)
    assert (installation.packages(), installation.issues()) == ({}, None)


# The folder of models.


def test_a_folder_of_models_lies_in_its_store_or_is_refused(tmp_path: Path) -> None:
    store, outside = tmp_path / "store", tmp_path / "outside"
    store.mkdir()
    outside.mkdir()
    assert models_of(store) == store / "models"
    (store / "models").symlink_to(outside)
    with pytest.raises(ModelError) as error:
        models_of(store)
    assert str(error.value) == (
        f"folder of models {str(store / 'models')!r} is a link that leads out of its store, to {str(outside)!r}: remove "
        "it, or link the store as a whole"
    )
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert not is_inside(tmp_path / "round" / "x", tmp_path)
    assert is_inside(tmp_path / "a" / ".." / "b", tmp_path)
    (tmp_path / "linked").symlink_to(store)
    assert is_inside(store / "x", tmp_path / "linked"), "a link to the whole store is one"
