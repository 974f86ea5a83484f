"""Errors are told in one line that quotes the value, says where, and suggests."""

from __future__ import annotations

import pytest

from harness.errors import (
    HarnessError,
    UsageError,
    error_line,
    error_text,
    unknown_name,
    where_raised,
)
from harness.printable import command, counted, listed, printable


def test_an_unknown_name_is_answered_with_the_nearest_and_with_all() -> None:
    assert unknown_name("model", "dea", ["dae", "cae"]) == "no model 'dea'. Did you mean 'dae'? Available: cae, dae."
    assert unknown_name("model", "x", ["dae", "cae"]) == "no model 'x'. Available: cae, dae."
    assert unknown_name("model", "x", []) == "no model 'x'. Available: none."


def test_of_names_that_are_about_as_near_one_is_guessed_and_none_where_less_than_half_is_alike() -> None:
    assert unknown_name("loss", "ab", ["abcdef", "zz"]) == "no loss 'ab'. Did you mean 'abcdef'? Available: abcdef, zz."
    assert "Did you mean" not in unknown_name("loss", "ab", ["abcdefgh", "zz"])
    assert unknown_name("loss", "mse2", ["mse1", "mse3"]).count("Did you mean") == 1


def test_an_error_that_nobody_foresaw_is_told_with_its_type_file_and_line() -> None:
    with pytest.raises(ValueError) as caught:
        int("seven")
    assert where_raised(caught.value).startswith(
        "ValueError: invalid literal for int() with base 10: 'seven' (test_errors.py:"
    )
    assert where_raised(caught.value).endswith(f":{caught.traceback[-1].lineno + 1})")


def test_the_innermost_place_is_named() -> None:
    def inner() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError) as caught:
        inner()
    assert where_raised(caught.value).endswith(f"(test_errors.py:{inner.__code__.co_firstlineno + 1})")


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert where_raised(ValueError("no such layer")) == "ValueError: no such layer"


def test_an_error_of_several_lines_becomes_one() -> None:
    assert error_line(ValueError("one\n  two\tthree ")) == "ValueError: one two three"


def test_an_error_without_end_is_cut_and_one_that_cannot_speak_is_said() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert error_text(ValueError("x" * 20_000)) == "x" * 10_000
    assert error_line(MuteError()) == "MuteError: it cannot say what is wrong"
    assert error_text(ValueError("\udcff")) == r"\udcff"


def test_our_own_errors_are_printable_in_one_line() -> None:
    assert str(UsageError("two\nlines \x1b[31m")) == r"two\nlines \x1b[31m"
    assert str(HarnessError("plain")) == "plain"
    assert printable("plain") == "plain"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["bottle", "metal nut"], "bottle,metal nut"),
        (["a,b", "c"], '"a,b",c'),
        ([" x", "y "], '" x","y "'),
        (["all"], '"all"'),
        (["all of it"], "all of it"),
        (['in "quotes"'], r'"in \"quotes\""'),
        (["Schräg", "x[1]"], 'Schräg,"x[1]"'),
        (["Ü,Ö"], '"Ü,Ö"'),
        (["a  b"], '"a  b"'),
        (["v1.2+x/y (old)-z"], "v1.2+x/y (old)-z"),
        ([], ""),
    ],
)
def test_names_are_listed_so_that_an_option_reads_them_back(names: list[str], said: str) -> None:
    assert listed(names) == said


def test_a_command_can_be_pasted_whatever_its_words_hold() -> None:
    assert command("harness", "run", 3, "a b", "it's") == """harness run 3 'a b' 'it'"'"'s'"""


def test_a_count_takes_an_s_unless_it_is_one() -> None:
    assert [counted(number, "epoch") for number in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]


def test_text_with_what_cannot_be_printed_is_spelt_out_and_the_rest_of_it_stays() -> None:
    assert printable("ü €\u202e\x00") == "ü €\\u202e\\x00"
    assert printable("a b") == "a b"
