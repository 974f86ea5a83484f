"""Objects of JSON as dataclasses: files of older and of newer harnesses are read, and faults are named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.trials import typed


@dataclass(frozen=True)
class Step:
    loss: float
    epoch: int = 1
    unread: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    name: str
    steps: tuple[Step, ...] = ()
    losses: tuple[float, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    pixels: Mapping[str, float | None] | None = None
    seconds: float | None = None
    whole: bool = False
    anything: Any = None
    best: Step | None = None
    unread: Mapping[str, Any] = field(default_factory=dict)


numbers = st.floats(allow_nan=False)
steps = st.builds(Step, loss=numbers, epoch=st.integers(), unread=st.just({}))
words = st.text(max_size=5)
kept = st.builds(
    Kept,
    name=words,
    steps=st.lists(steps, max_size=2).map(tuple),
    losses=st.lists(numbers, max_size=2).map(tuple),
    versions=st.dictionaries(words, words, max_size=2),
    pixels=st.none() | st.dictionaries(words, st.none() | numbers, max_size=2),
    seconds=st.none() | numbers,
    whole=st.booleans(),
    anything=st.none() | st.integers() | words,
    best=st.none() | steps,
    unread=st.just({}),
)


@given(kept)
def test_what_is_written_as_json_is_read_back_equal(one: Kept) -> None:
    assert typed.read(json.loads(json.dumps(typed.written(one))), Kept) == one


def test_what_is_at_its_default_is_not_written() -> None:
    assert typed.written(Kept("a")) == {"name": "a"}
    assert typed.written(Kept("a", steps=(Step(0.5), Step(0.25, 2)))) == {
        "name": "a",
        "steps": [{"loss": 0.5}, {"loss": 0.25, "epoch": 2}],
    }


def test_a_field_that_an_older_file_lacks_has_its_default() -> None:
    assert typed.read({"name": "a"}, Kept) == Kept("a")


def test_what_a_newer_harness_has_written_is_kept_and_written_again() -> None:
    newer = {"name": "a", "colour": "red", "best": {"loss": 0.5, "rank": [1, 2]}}
    one = typed.read(newer, Kept)
    assert one.unread == {"colour": "red"}
    assert one.best == Step(0.5, unread={"rank": [1, 2]})
    assert typed.written(one) == newer


def test_a_whole_number_will_do_for_a_fraction_and_stays_one() -> None:
    found = typed.read({"loss": 3}, Step).loss
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "it is [], expected fields by name"),
        ({}, "it lacks 'name'"),
        ({"name": 3}, "name is 3, expected text"),
        ({"name": None}, "name is None, expected text"),
        ({"name": "a", "seconds": "3"}, "seconds is '3', expected a finite number"),
        ({"name": "a", "seconds": True}, "seconds is True, expected a finite number"),
        ({"name": "a", "whole": 1}, "whole is 1, expected true or false"),
        ({"name": "a", "losses": 0.5}, "losses is 0.5, expected a list"),
        ({"name": "a", "losses": [0.5, "x"]}, "an item of losses is 'x', expected a finite number"),
        ({"name": "a", "versions": ["torch"]}, "versions is ['torch'], expected values by name"),
        ({"name": "a", "versions": {"torch": 2}}, "versions: torch is 2, expected text"),
        ({"name": "a", "best": 3}, "best is 3, expected fields by name"),
        ({"name": "a", "best": {}}, "best lacks 'loss'"),
        ({"name": "a", "best": {"loss": "low"}}, "loss of best is 'low', expected a finite number"),
        ({"name": "a", "steps": [{"loss": 1.0, "epoch": 1.0}]}, "epoch of an item of steps is 1.0, expected a whole number"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_that_says_where_what_and_what_was_expected(value: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        typed.read(value, Kept)
    assert str(caught.value) == said


def test_a_long_value_is_cut_short_in_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        typed.read({"name": ["x" * 1000]}, Kept)
    assert len(str(caught.value)) < 100


WHOLE = Kept(
    "a",
    (Step(0.5), Step(1.0, 2)),
    (1.0, 2.0),
    {"torch": "2"},
    seconds=3.0,
    whole=True,
    best=Step(0.25),
    unread={"later": [1]},
)
SAID = {
    "name": "a", "steps": [{"loss": 0.5}, {"loss": 1.0, "epoch": 2}], "losses": [1.0, 2.0], "versions": {"torch": "2"},
    "seconds": 3.0, "whole": True, "best": {"loss": 0.25}, "later": [1],
}  # fmt: skip


def test_an_object_is_written_without_defaults_and_read_with_what_is_unknown() -> None:
    assert typed.read(SAID, Kept) == WHOLE
    written = typed.written(WHOLE)
    assert {name: written[name] for name in written if name != "steps"} == {n: SAID[n] for n in SAID if n != "steps"}
    assert typed.written(Kept("a")) == {"name": "a"}
    assert typed.read({"name": "a"}, Kept) == Kept("a")
    assert typed.read({"name": "a", "seconds": 3}, Kept).seconds == 3
    assert type(typed.read({"name": "a", "seconds": 3}, Kept).seconds) is int, "a whole number stays one"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "it is [], expected fields by name"),
        ({}, "it lacks 'name'"),
        ({"name": 3}, "name is 3, expected text"),
        ({"name": "a", "steps": {}}, "steps is {}, expected a list"),
        ({"name": "a", "steps": [3]}, "an item of steps is 3, expected fields by name"),
        ({"name": "a", "steps": [{}]}, "an item of steps lacks 'loss'"),
        ({"name": "a", "steps": [{"loss": "x"}]}, "loss of an item of steps is 'x', expected a finite number"),
        ({"name": "a", "losses": [1.0, True]}, "an item of losses is True, expected a finite number"),
        ({"name": "a", "versions": []}, "versions is [], expected values by name"),
        ({"name": "a", "versions": {"torch": 2}}, "versions: torch is 2, expected text"),
        ({"name": "a", "seconds": "3"}, "seconds is '3', expected a finite number"),
        ({"name": "a", "whole": 1}, "whole is 1, expected true or false"),
        ({"name": "a", "best": 3}, "best is 3, expected fields by name"),
        ({"name": "a", "best": {"loss": 1, "epoch": 1.5}}, "epoch of best is 1.5, expected a whole number"),
        ({"name": "x" * 99}, ""),
        ({"name": ["x" * 99]}, f"name is {str(['x' * 99])[:60]}, expected text"),
    ],
)
def test_what_is_no_object_of_ours_is_told_with_its_place(told: Any, said: str) -> None:
    if not said:
        assert typed.read(told, Kept).name == told["name"]
        return
    with pytest.raises(ValueError) as refused:
        typed.read(told, Kept)
    assert str(refused.value) == said


def test_values_are_read_by_their_kind_and_named_by_whoever_asks() -> None:
    assert typed.read([1, 2], tuple[int, ...], "sizes") == (1, 2)
    assert typed.read((1,), tuple[int, ...], "sizes") == (1,)
    assert typed.read({"a": 1}, Mapping[str, int], "x") == {"a": 1}
    assert typed.read({"a": None}, Mapping[str, int | None], "x") == {"a": None}
    assert typed.read(None, int | None, "x") is None
    assert typed.read({"a": [1]}, Any, "x") == {"a": [1]}
    with pytest.raises(ValueError, match="^an item of sizes is 1.5, expected a whole number$"):
        typed.read([1, 1.5], tuple[int, ...], "sizes")
    with pytest.raises(ValueError, match="^x: a is 1.5, expected a whole number$"):
        typed.read({"a": 1.5}, Mapping[str, int], "x")
