"""Long lines in a terminal: they end between words, and what goes on stands below what was said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.wrapping import in_columns, wrapped

SAID = "misses         3 of 15 bad parts   at most 44 %; found: scratches 9 of 9, dents 3 of 6\n"


def test_what_goes_on_stands_below_what_was_said_and_not_below_its_word() -> None:
    assert in_columns(SAID, 15, width=44) == (
        "misses         3 of 15 bad parts   at most\n"
        "               44 %; found: scratches 9 of\n"
        "               9, dents 3 of 6\n"
    )


def test_a_line_that_is_to_be_copied_stays_whole() -> None:
    line = "made again     harness run --dataset photos --data-root parts --models gaussian\n"
    assert in_columns(line, 15, ("made again",), width=40) == line
    assert in_columns(line, 15, width=40) != line


def test_without_a_terminal_nothing_is_folded() -> None:
    assert in_columns(SAID, 15) == wrapped(SAID) == SAID


@given(st.lists(st.text("abc-/", min_size=1, max_size=12), min_size=1, max_size=30), st.integers(36, 140))
def test_no_word_is_lost_cut_or_beyond_the_width(words: list[str], width: int) -> None:
    found = in_columns(f"{'limit':<15}{' '.join(words)}\n", 15, width=width)
    assert found.split() == ["limit", *words]
    assert all(len(line) <= width for line in found.splitlines())
