"""The types that options of parts may have: what fits them, how a value is read and written, and what a type is called."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

import numpy as np
import pytest

from harness import Loss, Model, OracleThreshold, Part, Pool, Threshold
from harness.plugin.faults import fault_of, is_floor, named, needs_options
from harness.plugin.options import (
    default_of,
    describe,
    fits,
    is_kind,
    is_supported,
    nested_parts,
    option_types,
    options_of,
    read,
    same,
    spelling,
    write,
)


class Half(Loss):
    name = "half"

    def error_map(self, output: Any, target: Any) -> Any:
        return output


@dataclass
class Scaled(Loss):
    name = "scaled"
    by: float = 1.0
    of: Loss = field(default_factory=Half)
    kept: int = field(default=3, init=False)

    def error_map(self, output: Any, target: Any) -> Any:
        return output


@pytest.mark.parametrize(
    ("value", "wanted", "fit"),
    [
        (1, int, True),
        (np.int64(1), int, True),
        (1.5, int, False),
        (1, float, True),
        (np.float32(1), float, True),
        ("1", float, False),
        (True, bool, True),
        (1, bool, False),
        ("a", str, True),
        (None, int, True),
        (5, int | None, True),
        ("5", int | None, False),
        ("a", Literal["a", 2], True),
        (2, Literal["a", 2], True),
        (3, Literal["a", 2], False),
        ((1, 2), tuple[int, ...], True),
        ((), tuple[int, ...], True),
        ((1, "a"), tuple[int, ...], False),
        ([1, 2], tuple[int, ...], False),
        ((1, "a"), tuple[int, str], True),
        ((1,), tuple[int, str], False),
        ((1, "a", 2), tuple[int, str], False),
        ("ab", tuple[str, str], False),
        (Half(), Loss, True),
        (Half, Loss, False),
        ("half", Loss, False),
    ],
)
def test_a_value_fits_the_type_of_its_option_or_does_not(value: Any, wanted: Any, fit: bool) -> None:
    assert fits(value, wanted) is fit


@pytest.mark.parametrize(
    ("wanted", "supported"),
    [
        *((one, True) for one in (bool, int, float, str, Loss, Pool, int | None, Loss | None, tuple[int, ...])),
        *((one, True) for one in (tuple[int, str], Literal["a", 1], Literal["a", None], tuple[Literal["a"], ...])),
        *((one, True) for one in (tuple[float], tuple[int, Literal[1, 2]], tuple[int, ...] | None)),
        *((one, False) for one in (bytes, list[int], int | str, int | str | None, tuple[()], tuple[bytes, ...])),
        *((one, False) for one in (Literal[b"a"], Literal["a", b"a"], Part, object, tuple[int, bytes])),
        *((one, False) for one in (tuple[Loss, ...], bytes | None, None, tuple[tuple[int, ...], ...])),
    ],
)
def test_a_type_is_supported_where_its_values_can_be_spelt(wanted: Any, supported: bool) -> None:
    assert is_supported(wanted) is supported


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a finite number"),
        (str, "text"),
        (Loss, "a loss"),
        (int | None, "a whole number or none"),
        (Literal["a", 2, True], "one of a, 2, true"),
        (tuple[int, ...], "several of: a whole number, joined by '-'"),
        (tuple[int, float], "2 values joined by '-': a whole number, a finite number"),
        (bytes, "<class 'bytes'>"),
    ],
)
def test_each_type_has_its_words_for_messages(wanted: Any, words: str) -> None:
    assert describe(wanted) == words


@pytest.mark.parametrize(
    ("text", "wanted", "value"),
    [
        ("true", bool, True),
        ("false", bool, False),
        ("7", int, 7),
        ("1e-4", float, 1e-4),
        ("a b", str, "a b"),
        ("none", str, "none"),
        ("none", int | None, None),
        ("7", int | None, 7),
        ("2", Literal["1", 2], 2),
        ("none", Literal["a", None], None),
        ("true", Literal[True, "no"], True),
        ("32-64-128", tuple[int, ...], (32, 64, 128)),
        ("1--2", tuple[int, int], (1, -2)),
        ("-1-2", tuple[int, ...], (-1, 2)),
        ("1e-05--2", tuple[float, ...], (1e-05, -2.0)),
        ("a-b", tuple[str, ...], ("a", "b")),
        ("a-1", tuple[str, int], ("a", 1)),
    ],
)
def test_a_value_is_read_as_its_type_says(text: str, wanted: Any, value: Any) -> None:
    found = read(text, wanted)
    assert found == value
    assert type(found) is type(value)
    assert read(write(found), wanted) == value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("True", bool),
        ("1", bool),
        ("1.5", int),
        ("none", int),
        ("nan", float),
        ("inf", float),
        ("-inf", float),
        ("b", Literal["a", 2]),
        ("none", Literal["a"]),
        ("1-2-3", tuple[int, int]),
        ("1", tuple[int, int]),
        ("1-a", tuple[int, ...]),
        ("half", Loss),
    ],
)
def test_a_text_that_is_no_such_value_is_a_value_error(text: str, wanted: Any) -> None:
    with pytest.raises(ValueError):
        read(text, wanted)


def test_a_part_within_a_part_is_made_by_whoever_knows_all_parts() -> None:
    asked = []

    def make(kind: type[Part], text: str) -> Part:
        asked.append((kind, text))
        return Half()

    assert isinstance(read("half", Loss | None, make), Half)
    assert asked == [(Loss, "half")]
    assert read("none", Loss | None, make) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1.0, "1"),
        (1 / 3, repr(1 / 3)),
        (1e-05, "1e-05"),
        (12345678.0, "12345678.0"),
        (True, "true"),
        (None, "none"),
        (7, "7"),
        ((1, 0.5, True), "1-0.5-true"),
        ("Text", "Text"),
        (Scaled(2.0), "scaled[by=2]"),
    ],
)
def test_each_value_is_written_as_short_as_it_is_read_again(value: Any, text: str) -> None:
    assert write(value) == text


def test_options_are_the_fields_that_can_be_given_and_a_class_without_any_has_none() -> None:
    assert [option.name for option in options_of(Scaled)] == ["by", "of"]
    assert options_of(Half) == ()
    assert option_types(Scaled) == {"by": float, "of": Loss}
    by, of, _ = fields(Scaled)
    assert default_of(by) == 1.0
    assert isinstance(default_of(of), Half)

    @dataclass
    class Bare(Threshold):
        name = "bare"
        k: int

        def fit(self, normal: Any) -> float:
            return 0.0

    assert default_of(fields(Bare)[0]) is MISSING


def test_a_spelling_leaves_defaults_out_and_spells_a_part_within_without_quotes() -> None:
    assert spelling(Scaled()) == "scaled"
    assert spelling(Half()) == "half"
    assert spelling(Scaled(0.5, Scaled(2.0))) == "scaled[by=0.5,of=scaled[by=2]]"
    assert spelling(Scaled(of=Half())) == "scaled"


def test_parts_within_parts_are_found_at_every_depth() -> None:
    inner = Scaled(2.0)
    outer = Scaled(of=inner)
    assert list(nested_parts(outer)) == [inner, inner.of]
    assert list(nested_parts(Half())) == []


def test_two_parts_are_the_same_where_class_and_spelling_are() -> None:
    assert same(Half(), Half())
    assert same(Scaled(2.0), Scaled(2.0))
    assert not same(Scaled(2.0), Scaled(3.0))
    assert not same(Half(), "half")
    assert not same(Half(), type("Other", (Half,), {})())
    assert same(1, 1.0)
    assert not same(math.pi, 3)


def test_a_kind_of_part_is_one_of_the_contract_and_not_its_root() -> None:
    assert is_kind(Loss)
    assert not is_kind(Part)
    assert not is_kind(int)
    assert not is_kind("Loss")


class Fine(Threshold):
    name = "fine"

    def fit(self, normal: Any) -> float:
        return 0.0


class Knows(OracleThreshold):
    name = "knows"

    def fit_oracle(self, scores: Any, labels: Any) -> float:  # type: ignore[override]
        return 0.0


class Scores(Model):
    name = "scores"

    def fit(self, *given: Any) -> Any:  # type: ignore[override]
        return None


def changed(part: type[Part], **attributes: Any) -> type[Part]:
    found: type[Part] = type("Odd", (part,), attributes)
    found.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    return found


NAMES = "expected lower case letters, digits and underscores, and not 'all'"


@pytest.mark.parametrize(
    ("part", "kind", "fault"),
    [
        (Fine, Threshold, ""),
        (Knows, Threshold, ""),
        (changed(Scores), Model, ""),
        (changed(Scores, uses=frozenset({"encoder", "loss", "pool", "training"})), Model, ""),
        (Fine, Model, "expected a subclass of harness.Model"),
        (Fine(), Threshold, "expected a subclass of harness.Threshold"),
        (3, Threshold, "expected a subclass of harness.Threshold"),
        (type("Empty", (Threshold,), {"name": "empty"}), Threshold, "which does not define fit"),
        (changed(Fine, name="all"), Threshold, f"whose name is 'all', {NAMES}"),
        (changed(Fine, name="A"), Threshold, f"whose name is 'A', {NAMES}"),
        (changed(Fine, name="a-b"), Threshold, f"whose name is 'a-b', {NAMES}"),
        (changed(Fine, name=""), Threshold, f"whose name is '', {NAMES}"),
        (changed(Fine, name=None), Threshold, f"whose name is None, {NAMES}"),
        (changed(Fine, name="a_1"), Threshold, ""),
        (
            changed(Fine, kind="limit"),
            Threshold,
            "whose kind is 'limit', expected 'threshold', which harness.Threshold says already",
        ),
        (
            changed(Knows, oracle=False),
            Threshold,
            "an OracleThreshold that says it is no oracle: its rows would not be marked",
        ),
        (
            changed(Knows, oracle=1),
            Threshold,
            "an OracleThreshold that says it is no oracle: its rows would not be marked",
        ),
        (changed(Scores, uses="loss"), Model, "whose uses is 'loss', expected a set, as frozenset({'loss'})"),
        (
            changed(Scores, uses=frozenset({"los"})),
            Model,
            "whose uses has no axis 'los'. Did you mean 'loss'? Available: encoder, loss, pool, training.",
        ),
        (changed(Scores, uses=3), Model, "which cannot be looked at: TypeError: 'int' object is not iterable"),
    ],
)
def test_the_fault_of_what_is_offered_as_a_part_is_said_in_words(part: object, kind: type[Part], fault: str) -> None:
    assert fault_of(part, kind) == fault


def test_a_part_is_named_in_messages_also_where_it_cannot_say_what_it_is() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    assert named(Mute()) == "a Mute"
    assert named("x" * 300) == "'" + "x" * 199
    assert named(3) == "3"


def test_parts_that_need_options_and_floors_say_so_under_the_old_word_too() -> None:
    assert not needs_options(Fine)
    assert needs_options(changed(Fine, needs_options=True))
    assert needs_options(changed(Fine, generic=True))
    assert not is_floor(Fine)
    assert is_floor(changed(Scores, floor=True))
