from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Loss, Part, Threshold, UsageError, spell
from harness.plugin.grammar import quoted, split_joined
from harness.plugin.options import describe, fault_of_options, is_kind, option_types, read, same, write
from harness.plugin.spec import make, parse, split_list


@dataclass
class Many(Threshold):
    name = "many"
    k: float = 3.0
    count: int = 5
    sides: tuple[int, ...] = (32, 64)
    mode: Literal["fast", "exact"] = "fast"
    keep: bool = False
    size: int | None = None
    most: int | None = 9
    note: str = "plain"

    def __post_init__(self) -> None:
        if self.k <= 0:
            raise ValueError(f"k is {self.k}, expected more than 0")

    def fit(self, normal: object) -> float:
        return 0.0


texts = st.text() | st.text(alphabet='ab ,[]="\\-')
manys = st.builds(
    Many,
    k=st.floats(min_value=1e-9, max_value=1e9),
    count=st.integers(),
    sides=st.lists(st.integers(0, 4096), min_size=1, max_size=4).map(tuple),
    mode=st.sampled_from(["fast", "exact"]),
    keep=st.booleans(),
    size=st.none() | st.integers(),
    most=st.none() | st.integers(),
    note=texts,
)


@given(manys)
def test_what_spell_writes_is_read_back_as_the_same_part(part: Many) -> None:
    name, options = parse(spell(part))
    assert name == "many"
    assert make(Many, options, "here") == part


@given(st.lists(manys, min_size=1, max_size=4))
def test_a_comma_list_splits_into_the_parts_it_was_made_of(parts: list[Many]) -> None:
    spelt = [spell(part) for part in parts]
    assert split_list(",".join(spelt)) == spelt


@given(st.text(max_size=60))
def test_any_text_is_a_part_or_a_usage_error(text: str) -> None:
    try:
        name, options = parse(text)
    except UsageError as error:
        assert str(error)
    else:
        assert name
        assert make(Many, {"note": "".join(options.values())}, "here")


def test_options_at_their_defaults_are_left_out_of_the_spelling() -> None:
    assert spell(Many()) == "many"
    assert spell(Many(k=2.5, sides=(8, 16))) == "many[k=2.5,sides=8-16]"
    assert spell(Many(keep=True, most=None)) == "many[keep=true,most=none]"


@pytest.mark.parametrize(
    ("note", "spelling"),
    [
        ("a,b", 'many[note="a,b"]'),
        (" ", 'many[note=" "]'),
        ("]", 'many[note="]"]'),
        ("", 'many[note=""]'),
        ('"a"', r'many[note="\"a\""]'),
        ("a[0]=b c", "many[note=a[0]=b c]"),
        ("it's", "many[note=it's]"),
    ],
)
def test_a_text_stands_in_quotes_only_where_it_would_be_read_as_something_else(note: str, spelling: str) -> None:
    assert spell(Many(note=note)) == spelling, "spellings of before are those of stored trials, and stay"
    assert parse(spelling) == ("many", {"note": note})


@pytest.mark.parametrize("text", ['many[note="a]', 'many[note="a" b]', r'many[note="\q"]'])
def test_quotes_that_are_not_closed_are_letters_like_others(text: str) -> None:
    assert parse(text) == ("many", {"note": text.removeprefix("many[note=").removesuffix("]")})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cae[latent_dim=64", "unequal brackets"),
        ("cae]", "unequal brackets"),
        ("cae]a[", "unequal brackets"),
    ],
)
def test_unequal_brackets_are_quoted(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        split_list(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["", "a b", "many[k]", "many[=3]", "many[k=]", "many[k=1,k=2]", "many[k=1]x", "[k=1]"])
def test_what_is_not_a_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_an_unknown_option_lists_the_known_ones_and_guesses() -> None:
    with pytest.raises(
        UsageError, match=r"threshold 'many': no option 'coumt'. Did you mean 'count'\? Available: count"
    ):
        make(Many, {"coumt": "3"}, "threshold 'many'")


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("k", "three", "a finite number"),
        ("k", "nan", "a finite number"),
        ("k", "inf", "a finite number"),
        ("count", "1.5", "a whole number"),
        ("keep", "yes", "true or false"),
        ("mode", "slow", "one of fast, exact"),
        ("sides", "8-x", "several of: a whole number, joined by '-'"),
        ("size", "big", "a whole number or none"),
    ],
)
def test_a_value_of_the_wrong_type_is_quoted_with_what_was_expected(option: str, text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(Many, {option: text}, "threshold 'many'")
    assert f"option {option!r} is {text!r}, expected {expected}" in str(caught.value)


def test_a_value_that_the_part_itself_refuses_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"threshold 'many': k is -1.0, expected more than 0"):
        make(Many, {"k": "-1"}, "threshold 'many'")


def test_a_part_without_options_has_none() -> None:
    class Bare(Threshold):
        name = "bare"

        def fit(self, normal: object) -> float:
            return 0.0

    assert option_types(Bare) == {}
    assert spell(Bare()) == "bare"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives_writing(value: float) -> None:
    assert read(write(value), float) == value


def test_a_type_nobody_foresaw_is_described_by_its_name() -> None:
    assert describe(list) == str(list)


def test_parts_of_two_classes_are_not_the_same_option_even_where_they_are_spelt_alike() -> None:
    other = dataclass(type("Many", (Many,), {}))
    assert same(Many(), Many(k=3.0))
    assert not same(Many(), Many(k=4.0))
    assert spell(other()) == spell(Many())
    assert not same(Many(), other())


def test_quotes_of_a_list_that_stand_in_no_brackets_are_letters_and_commas_there_part_its_items() -> None:
    assert split_list('a="b,c"') == ['a="b', 'c"']
    assert split_list('x[a="b,c"],d') == ['x[a="b,c"]', "d"]
    assert split_joined("flip+shift[by=1+2]") == ["flip", "shift[by=1+2]"]


def test_a_value_that_begins_with_a_quote_is_quoted_even_where_it_could_be_read_alone() -> None:
    assert quoted('"x') == '"\\"x"'
    assert quoted('x"y') == 'x"y'
    assert quoted("a.b/c-1") == "a.b/c-1"


class OnlyNamed:
    kind = "pool"


@dataclass
class LooksUpNothing(Threshold):
    name = "looks_up_nothing"
    size: Nowhere = 1  # type: ignore[name-defined]  # noqa: F821

    def fit(self, normal):
        return 0.0


@dataclass
class CannotBeLookedUp(LooksUpNothing):
    name = "cannot_be_looked_up"
    size: (lambda: 1 / 0)() = 1  # type: ignore[misc]


def test_a_type_that_is_not_there_at_run_time_is_answered_with_how_to_import_it() -> None:
    said = fault_of_options(LooksUpNothing)
    assert said.startswith("whose option 'size' has the type 'Nowhere', which cannot be looked up (")
    assert said.endswith(": import it outside of `if TYPE_CHECKING`")
    assert fault_of_options(CannotBeLookedUp).endswith("(division by zero)")


def test_a_class_that_is_no_part_is_no_kind_even_where_it_says_so() -> None:
    assert is_kind(Loss)
    assert not is_kind(Part), "no kind in particular"
    assert not is_kind(OnlyNamed)
    assert not is_kind(int)
    assert not is_kind("pool")
