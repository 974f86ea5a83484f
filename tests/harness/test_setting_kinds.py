"""What each kind of setting takes, and the words in which it refuses the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import Loss, Model, UsageError
from harness.trials import setting_kinds
from harness.trials.setting import Setting
from harness.trials.setting_kinds import (
    Amounts,
    Flag,
    Kind,
    Names,
    Number,
    OneOf,
    Parts,
    Place,
    Plugins,
    Share,
    Shares,
    SomeOf,
    Spellings,
    Text,
    Whole,
    Wholes,
    path_of,
)


@dataclass
class Mine(Model):
    name = "mine"

    def fit(self, normal: Any, **how: Any) -> None: ...

    def score(self, images: Any) -> Any: ...


_MINE = Mine()


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Text(), "as it is", "as it is"),
        (Text(), Path("a/b"), "a/b"),
        (Place(), "a/b", Path("a/b")),
        (Place(), Path("a"), Path("a")),
        (Flag(), True, True),
        (Flag(), False, False),
        (OneOf(("few", "many")), "many", "many"),
        (Whole(1), 1, 1),
        (Whole(0), "0", 0),
        (Whole(-2), "-2", -2),
        (Whole(1), np.int16(3), 3),
        (Whole(1, or_word="auto"), "auto", "auto"),
        (Number(), 0, 0.0),
        (Number(2.0), 2, 2.0),
        (Number(2.0, least_allowed=False), 2.5, 2.5),
        (Number(0, below=1), 0.999, 0.999),
        (Number(), "1e3", 1000.0),
        (Share(), "1%", 0.01),
        (Share(), " 0.2% ", 0.002),
        (Share(), "99.9%", 0.999),
        (Share(), 0.25, 0.25),
        (Share(), "0.25", 0.25),
        (Wholes(), "0,2,0", (0, 2)),
        (Wholes(), "3", (3,)),
        (Wholes(), ["1,2", 2, np.int64(0)], (1, 2, 0)),
        (Wholes(), range(2), (0, 1)),
        (Amounts(), 1, (1,)),
        (Amounts(), np.int8(4), (4,)),
        (Amounts(), "2,all,2", (2, "all")),
        (Amounts("none"), ["none", 8], ("none", 8)),
        (SomeOf(("pad", "tiles")), "tiles,pad,tiles", ("tiles", "pad")),
        (Shares(), "0,2%,0.5,0", (0.0, 0.02, 0.5)),
        (Shares(), 0.1, (0.1,)),
        (Shares(), 0.0, (0.0,)),
        (Shares(), [0, "1%"], (0.0, 0.01)),
        (Spellings(), "flip,shift[severity=2]", ("flip", "shift[severity=2]")),
        (Names(), "bolt, nut,bolt", ("bolt", "nut")),
        (Names(), ["bolt, M6", "all", "all"], ('"bolt, M6"', "all")),
        (Names(), (name for name in ("b", "a")), ("b", "a")),
        (Parts(Model), "dae,cae", ("dae", "cae")),
        (Parts(Model), [Mine, _MINE, "dae,cae"], (Mine, _MINE, "dae", "cae")),
        (Parts(Model, several=False), "dae", ("dae",)),
        (Parts(Model, several=False), _MINE, (_MINE,)),
        (Plugins(), "a.py", (Path("a.py"),)),
        (Plugins(), Path("a.py"), (Path("a.py"),)),
        (Plugins(), Mine, (Mine,)),
        (Plugins(), setting_kinds, (setting_kinds,)),
        (Plugins(), ["a.py", Path("b.py"), Mine, math], (Path("a.py"), Path("b.py"), Mine, math)),
    ],
)
def test_a_kind_of_setting_takes_text_and_what_python_has_for_it(kind: Kind, value: Any, expected: Any) -> None:
    found = kind.read(value)
    assert found == expected
    assert isinstance(found, type(expected))
    assert kind.read(found) == found, "what was read is read again"
    if isinstance(found, tuple):
        assert [type(one) for one in found] == [type(one) for one in expected]


_NO_TEXT = "expected text"
_NO_PLACE = "expected a path"
_NO_FLAG = "expected true or false"
_FROM_1 = "expected a whole number from 1"
_SHARE = "expected a share above 0 and below 1, such as 1% or 0.01"
_SHARES = "expected shares from 0 and below 1, such as 0,0.02,5%"
_WHOLES = "expected whole numbers from 0, such as 0,1,2"
_AMOUNTS = "expected whole numbers from 1, or all, such as 1,2,4,all"
_NAMES = "expected a comma list, or 'all'"
_PLUGINS = "expected paths of Python files, modules, or classes of parts"


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Text(), [3, None, b"x", ["a"]], _NO_TEXT),
        (Place(), [3, None, b"x", ["a"]], _NO_PLACE),
        (Flag(), [1, 0, "true", None], _NO_FLAG),
        (OneOf(("few", "many")), ["some", 1, None], "expected one of few, many"),
        (Whole(1), [0, "0", -1, 1.0, "1.5", True, "", None, "auto"], _FROM_1),
        (Whole(1, or_word="auto"), [0, "AUTO", True], f"{_FROM_1}, or auto"),
        (Number(), [-1e-9, "many", float("nan"), float("inf"), "inf", 10**400, True, None], "expected a number from 0"),
        (Number(0.5, least_allowed=False), [0.5, 0.4], "expected a number above 0.5"),
        (Number(0, below=1), [1, 1.5, -0.1], "expected a number from 0 and below 1"),
        (Number(0, below=0.5, least_allowed=False), [0, 0.5], "expected a number above 0 and below 0.5"),
        (Share(), [0, 1, "0%", "100%", "1", "%", "few", True, None, -0.1, "-1%", "1%%"], _SHARE),
        (Wholes(), [[], "", "0,x", "-1", [0, -1], [1.0], [True], "1.5"], _WHOLES),
        (Wholes(), [2, np.int64(2)], "expected [2] for this one, or range(2) for so many"),
        (Wholes(), [True, 2.0, None, b"1", {1: 2}], "expected whole numbers"),
        (Amounts(), [0, -1, "0", "1,none", [], "", [True], "1.5", [1.0]], _AMOUNTS),
        (Amounts("none", "256, or none,256"), ["all"], "expected whole numbers from 1, or none, such as 256, or none,256"),
        (Amounts(), [True, 1.5, None], "expected whole numbers"),
        (SomeOf(("pad", "tiles")), ["", [], "pad,x", [1]], "expected some of pad, tiles"),
        (SomeOf(("pad", "tiles")), [None, 1.5], "expected words"),
        (Shares(), ["", [], "0,1", "x", ["0", True], 1.0, float("nan"), "-1%"], _SHARES),
        (Shares(), [None, True, {0.1: 1}], "expected shares"),
        (Spellings(), [["flip", 1], 1], "expected a comma list of names"),
        (Spellings(), [None, {"flip": 1}], "expected a comma list of names"),
        (Names(), ["", " , ", [], ["a", 1], 1, None, b"a", {"a": 1}], _NAMES),
        (Parts(Model), ["", [], None, 1.5], "expected a comma list of model names, or 'all'"),
        (Parts(Loss, several=False), ["", "a,b", ["a", "b"]], "expected the name of one loss"),
        (Parts(Model), [3], "int is no model: expected names, or instances or classes of harness.Model"),
        (Parts(Loss), [_MINE, [Mine]], "Mine is no loss: expected names, or instances or classes of harness.Loss"),
        (Parts(Loss), [str], "str is no loss: expected names, or instances or classes of harness.Loss"),
        (Plugins(), [3, [3], int, None, ["a.py", 1.5]], _PLUGINS),
        (Parts(Model), ["dae["], "it has unequal brackets: expected a form such as 'cae[latent_dim=64],dae'"),
    ],
)  # fmt: skip
def test_a_kind_of_setting_says_what_it_expects_of_anything_else(kind: Kind, values: list[Any], said: str) -> None:
    for value in values:
        with pytest.raises(ValueError) as refused:
            kind.read(value)
        assert str(refused.value) == said, value


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (Text(), "TEXT"),
        (Place(), "PATH"),
        (Flag(), ""),
        (OneOf(("few", "many")), "[few|many]"),
        (Whole(1), "INTEGER"),
        (Whole(1, or_word="auto"), "INTEGER|auto"),
        (Number(), "NUMBER"),
        (Share(), "SHARE"),
        (Wholes(), "LIST"),
        (Amounts(), "LIST"),
        (SomeOf(("pad",)), "LIST"),
        (Shares(), "LIST"),
        (Spellings(), "LIST"),
        (Names(), "LIST"),
        (Parts(Model), "LIST"),
        (Plugins(), "FILE.py"),
    ],
)
def test_help_shows_a_placeholder_for_each_kind_of_value(kind: Kind, shown: str) -> None:
    assert kind.metavar == shown


def test_a_path_that_is_given_as_an_argument_is_named_where_it_is_none() -> None:
    assert path_of("a/b", "folder") == path_of(Path("a/b"), "folder") == Path("a/b")
    with pytest.raises(UsageError) as refused:
        path_of(3, "folder")
    assert str(refused.value) == "folder is 3: expected a path"


def _setting(**more: Any) -> Setting:
    return Setting(**{"name": "so_many", "kind": Whole(1), "default": None, "help": "How many.", **more})


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        (_setting(), ""),
        (_setting(default=3), "3"),
        (_setting(default=1e-4), "0.0001"),
        (_setting(default=2.0), "2"),
        (_setting(default=True), ""),
        (_setting(default=True, in_words="on"), "on"),
        (_setting(usual=8), "8, or what suits the data set"),
        (_setting(usual=0.5), "0.5, or what suits the data set"),
        (_setting(default=3, in_words="as many as fit"), "as many as fit"),
    ],
)
def test_a_default_is_shown_in_words_or_as_a_number_and_a_flag_shows_none(setting: Setting, shown: str) -> None:
    assert setting.default_in_words == shown
    assert setting.of_data == (setting.usual is not None)


def test_a_setting_has_options_with_dashes_the_one_of_its_own_first() -> None:
    assert _setting().options == ("--so-many",)
    assert _setting(option="amount", aliases=("n", "how_many")).options == ("--amount", "--n", "--how-many")
