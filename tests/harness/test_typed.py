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
