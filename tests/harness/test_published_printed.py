from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.published.printed import read_number


@given(
    st.integers(1, 2000),
    st.data(),
    st.integers(0, 9),
    st.sampled_from([ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP]),
    st.sampled_from([1, 100]),
)
def test_a_share_of_images_is_among_the_counts_that_its_print_allows(total, data, decimals, rounding, scale):
    k = data.draw(st.integers(0, total))
    text = f"{(scale * Decimal(k) / total).quantize(Decimal(1).scaleb(-decimals), rounding):f}"
    printed = read_number(text, scale=scale)
    assert k in printed.counts(total)
    assert printed.admits(Fraction(k, total))


@given(st.integers(1, 300), st.data())
def test_the_counts_are_just_those_that_print_so(total, data):
    text = f"0.{data.draw(st.integers(0, 99)):02}"
    prints = {
        k
        for k in range(total + 1)
        for rounding in (ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP)
        if str((Decimal(k) / total).quantize(Decimal("0.01"), rounding)) == text
    }
    prints |= {k for k in range(total + 1) if f"{int(100 * (k / total)) / 100:.2f}" == text}  # in binary
    assert set(read_number(text).counts(total)) == prints


def test_a_number_printed_by_cutting_a_binary_product_is_allowed():
    assert int(100 * 0.29) == 28
    assert 29 in read_number("0.28").counts(100)
    assert int(100 * 0.35) == 35
    assert 35 not in read_number("0.34").counts(100)
    assert list(read_number("0.99").counts(20)) == [], "a whole 1 is not cut off to 0.99"


def test_dropped_zeros_count_when_the_table_says_how_many_digits_it_prints():
    assert list(read_number("0.3").counts(20)) == [5, 6, 7]
    assert list(read_number("0.3", digits=2).counts(20)) == [6]
    assert list(read_number("1", digits=2).counts(20)) == [20]
    assert list(read_number("0.825", digits=2).counts(40)) == [33]


def test_digits_past_the_sixth_are_not_held_against_a_float32():
    assert list(read_number("0.7228915691375732").counts(83)) == [60]


def test_one_step_of_the_last_digit_is_the_unit_and_a_millionth_at_least():
    for text, digits, scale, unit in (
        ("0.5", None, 1, 10), ("0.50", None, 1, 100), ("0.5", 3, 1, 1000), ("1", None, 1, 1), ("50.5", None, 100, 1000),
        ("0.123456", None, 1, 10**6), ("0.1234567", None, 1, 10**6), ("12.34567", None, 100, 10**6),
    ):  # fmt: skip
        assert read_number(text, digits, scale).unit == Fraction(1, unit)


def test_percent_are_shares_too():
    assert read_number("82.5", scale=100).value == Fraction(33, 40)
    assert read_number("82.5", scale=100).show(Fraction(33, 40)) == "82.50"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "nan",
        "inf",
        "1e-2",
        "0,5",
        " 0.5",
        "0.5 ",
        "0x1",
        "½",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1.2.3",
        ".",
        "-.",
        "9" * 5000,
        "0." + "1" * 21,
    ],
)
def test_what_is_no_plain_number_is_refused(text):
    with pytest.raises(ValueError, match=r"digits such as 0\.83"):
        read_number(text)


@pytest.mark.parametrize(
    ("text", "scale", "said"),
    [
        ("1.01", 1, r"from 0 to 1 \(a table in percent says scale = 100\)"),
        ("100.1", 100, "from 0 to 100$"),
        ("-0.1", 1, "from 0 to 1$"),
        ("83%", 1, "scale = 100 once"),
    ],
)
def test_a_number_out_of_range_is_refused_with_the_range(text, scale, said):
    with pytest.raises(ValueError, match=said):
        read_number(text, scale=scale)
