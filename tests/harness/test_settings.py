from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness import Dataset, Loss, Model, Run, UsageError
from harness.commands import main
from harness.commands.run import command
from harness.plugin.in_process import some_of
from harness.trials.data_defaults import settings_of_data
from harness.trials.settings import SETTINGS, Settings, find
from harness.trials.settings_shown import table

README = Path(__file__).parents[2] / "harness" / "trials" / "README.md"
MARKS = re.compile(r"(?<=<!-- settings: a test writes this table -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)


@dataclasses.dataclass
class Mine(Model):
    name = "mine"
    gain: float = 1.0

    def fit(self, normal: Any, **how: Any) -> None: ...

    def score(self, images: Any) -> Any: ...


def test_the_table_of_settings_in_the_readme_of_trials_is_the_one_that_the_settings_make() -> None:
    text = README.read_text(encoding="utf-8")
    made = MARKS.sub(lambda _: f"\n{table()}\n", text)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        README.write_text(made, encoding="utf-8")
    assert len(MARKS.findall(text)) == 1
    assert made == text, "README's table of settings is stale: UPDATE_GOLDEN=1 pytest writes it anew"


def test_every_setting_is_an_option_of_the_command_with_its_help_and_default() -> None:
    options = {parameter.name: parameter for parameter in command.params}
    shown = " ".join(CliRunner().invoke(main, ["run", "--help"], terminal_width=400).output.split())
    for name, setting in SETTINGS.items():
        assert tuple(options[name].opts) == setting.options
        assert setting.help.partition("STORE")[0] in shown, name
        if setting.default_in_words:
            assert f"[default: {setting.default_in_words}]" in shown, name


def test_defaults_of_a_fit_are_those_of_the_contract() -> None:
    asked = settings_of_data(Settings(), _Suited())
    assert asked == {
        name: getattr(Run, name) for name in ("epochs", "image_size", "batch_size", "learning_rate", "weights")
    }


class _Suited(Dataset):
    name = "suited"

    def categories(self) -> tuple[str, ...]:
        return ()

    def load(self, category: str, image_size: int) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("rate", ["lr", "learning_rate"])
def test_a_data_set_has_defaults_of_its_own_where_nothing_is_asked(rate: str) -> None:
    suited = _Suited()
    suited.defaults = {"epochs": 2, rate: 1e-3}  # type: ignore[misc]
    found = settings_of_data(Settings(), suited)
    assert (found["epochs"], found["learning_rate"], found["image_size"]) == (2, 1e-3, 256)
    found = settings_of_data(Settings.of({"epochs": 7, rate: 0.5}), suited)
    assert (found["epochs"], found["learning_rate"]) == (7, 0.5)


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        (
            {"epoch": 2},
            "data set 'suited', in its defaults: epoch is no setting that it may have: no setting 'epoch'. Did",
        ),
        ({"seeds": 2}, "seeds is no setting that it may have"),
        ({"epochs": "many"}, "in its defaults: epochs is 'many': expected a whole number from 1"),
    ],
)
def test_a_default_of_a_data_set_that_is_none_is_one_clear_line(defaults: dict[str, Any], said: str) -> None:
    suited = _Suited()
    suited.defaults = defaults  # type: ignore[misc]
    with pytest.raises(UsageError, match=re.escape(said)):
        settings_of_data(Settings(), suited)


@pytest.mark.parametrize(
    ("name", "spellings", "expected"),
    [
        ("seeds", ["0,1,2", range(3), [0, 1, 2, 1], np.arange(3), ("0", "1", 2)], (0, 1, 2)),
        ("seeds", ["1", [1], [np.int64(1)]], (1,)),
        ("models", ["dae,cae[latent_dim=3]", ["dae", "cae[latent_dim=3]"]], ("dae", "cae[latent_dim=3]")),
        ("models", [Mine, [Mine], (Mine,)], (Mine,)),
        ("models", ["dae", ["dae"]], ("dae",)),
        ("pools", ["mean,topk[share=0.01,x=1]", ["mean", "topk[share=0.01,x=1]"]], ("mean", "topk[share=0.01,x=1]")),
        ("learning_rate", ["1e-3", 0.001, np.float64(0.001)], 0.001),
        ("batch_size", ["auto"], "auto"),
        ("batch_size", ["8", 8, np.int32(8)], 8),
        ("store", ["here", Path("here")], Path("here")),
        ("plugins", ["a.py", Path("a.py"), ["a.py"]], (Path("a.py"),)),
    ],
)
def test_a_value_may_be_text_or_what_python_has_for_it(name: str, spellings: list[Any], expected: Any) -> None:
    for value in spellings:
        found = getattr(Settings.of({name: value}), name)
        assert found == expected
        assert type(found) is type(expected)


def test_an_instance_stays_the_instance() -> None:
    mine = Mine(gain=2)
    assert Settings.of({"models": mine}).models == (mine,)
    assert Settings.of({"models": ["dae,cae", mine]}).models == ("dae", "cae", mine)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"epoch": 3}, "no setting 'epoch'. Did you mean 'epochs'?"),
        ({"epochs": 0}, "epochs is 0: expected a whole number from 1"),
        ({"epochs": 2.5}, "epochs is 2.5: expected a whole number from 1"),
        ({"epochs": True}, "epochs is true: expected a whole number from 1"),
        ({"batch_size": "many"}, "batch_size is 'many': expected a whole number from 1, or auto"),
        ({"learning_rate": 0}, "learning_rate is 0: expected a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan: expected a number above 0"),
        ({"holdout": 1}, "holdout is 1: expected a number from 0 and below 1"),
        ({"precision": "fp64"}, "precision is 'fp64': expected one of auto, fp32, bf16"),
        ({"quiet": "yes"}, "quiet is 'yes': expected true or false"),
        ({"seeds": []}, "seeds is []: expected whole numbers from 0, such as 0,1,2"),
        ({"models": ""}, "models is '': expected a comma list of model names, or 'all'"),
        ({"models": "dae["}, "models is 'dae[': it has unequal brackets"),
        ({"models": Loss}, "Loss is no model: expected names, or instances or classes of harness.Model"),
        ({"losses": Mine()}, "Mine is no loss: expected names, or instances or classes of harness.Loss"),
        ({"models": [3]}, "models is [3]: int is no model"),
        ({"dataset": "a,b"}, "dataset is 'a,b': expected the name of one dataset"),
        ({"store": 3}, "store is 3: expected a path"),
        ({"plugins": [3]}, "plugins is [3]: expected paths of Python files, modules, or classes of parts"),
        ({"lr": 1, "learning_rate": 2}, "learning_rate and lr are the same setting: give one of them"),
    ],
)
def test_a_wrong_value_is_quoted_with_what_was_expected(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        Settings.of(asked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"categories": ["tile", 1]}, "expected a comma list, or 'all'"),
        ({"categories": ""}, "expected a comma list, or 'all'"),
        ({"tiles": "large"}, "expected whole numbers from 1, or none, such as 256, or none,256"),
        ({"tiles": "0"}, "expected whole numbers from 1, or none"),
        ({"shots": "few"}, "expected whole numbers from 1, or all, such as 1,2,4,all"),
        ({"mlflow": 3}, "expected text"),
    ],
)
def test_a_wrong_list_is_answered_with_an_example_of_a_right_one(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        Settings.of(asked)
    assert said in str(refused.value)


def test_a_setting_is_called_what_it_is_called_where_it_was_asked_for() -> None:
    with pytest.raises(UsageError, match="^--weights is 'x'"):
        Settings.of({"weights": "x"}, "command line")
    assert Settings(door="command line").called("plugins") == "--plugin"
    assert Settings().called("data_root") == "data_root"


@pytest.mark.parametrize("name", ["learning_rate", "learning-rate", "lr"])
def test_the_learning_rate_keeps_its_short_name(name: str) -> None:
    assert find(name) is SETTINGS["learning_rate"]


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(SETTINGS)), value=_ANYTHING)
def test_whatever_is_given_is_read_or_refused_in_one_line_and_what_is_read_is_read_again(name: str, value: Any) -> None:
    try:
        once = getattr(Settings.of({name: value}), name)
    except UsageError as error:
        assert "\n" not in str(error)
        return
    if once is not None:
        assert SETTINGS[name].read(once, name) == once


def test_weights_are_pretrained_or_random() -> None:
    for word in ("pretrained", "random"):
        assert Settings.of({"weights": word}).weights == word
    with pytest.raises(UsageError, match="expected one of pretrained, random"):
        Settings.of({"weights": "imagenet"})


@pytest.mark.parametrize("asked", ['"bolt, M6",all', ["bolt, M6", "all"]])
def test_names_stay_as_they_were_asked_for_in_settings_that_are_made_of_others(asked: object) -> None:
    settings = Settings.of({"categories": asked})
    again = dataclasses.replace(settings, epochs=3)
    assert some_of(again.categories, ["all", "bolt, M6"], "category") == ["bolt, M6", "all"]
    assert again.categories == settings.categories


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("x" * 58, "'" + "x" * 58 + "'"),
        ("x" * 59, "'" + "x" * 56 + "..."),
        ("two  words", "'two words'"),
        (True, "true"),
        (Path("a/b"), "'a/b'"),
    ],
)
def test_a_value_that_is_refused_is_quoted_as_it_was_written_and_cut_where_it_is_long(value: Any, quoted: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.of({"epochs": value})
    assert f"epochs is {quoted}: " in str(caught.value)


def test_help_says_what_kind_of_value_each_option_takes() -> None:
    shown = CliRunner().invoke(main, ["run", "--help"]).output
    found = dict(re.findall(r"--([a-z-]+) ([A-Z][A-Z.a-z]*)", shown))
    expected = {
        "LIST": "models encoders losses thresholds pools categories seeds shots contaminate resize tiles augment "
        "metrics corrupt setting together tracker",
        "NAME": "dataset executor",
        "FOLDER": "data-root weights-dir store",
        "INTEGER": "epochs image-size batch-size overlap jobs",
        "NUMBER": "lr holdout trial-minutes cpus-per-trial gpus-per-trial",
        "SHARE": "reserve max-false-alarms defect-rate",
        "TEXT": "device",
        "ADDRESS": "ray-address",
        "URI": "mlflow",
        "FILE.py": "plugin",
        "PATH": "config",
    }
    assert found == {option: kind for kind, options in expected.items() for option in options.split()}
