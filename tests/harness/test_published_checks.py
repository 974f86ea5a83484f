import itertools
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.published import check, read
from harness.published.schema import build

ROUNDINGS = [ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP]
METRICS = ["normal_rate", "abnormal_rate", "accuracy", "balanced_accuracy", "f1"]


def metrics_of(k, m, n, a):
    return {
        "normal_rate": Fraction(k, n),
        "abnormal_rate": Fraction(m, a),
        "accuracy": Fraction(k + m, n + a),
        "balanced_accuracy": (Fraction(k, n) + Fraction(m, a)) / 2,
        "f1": Fraction(2 * m, m + a + n - k),
    }


def shown(exact, decimals, rounding, scale=1, drop_zeros=False):
    with localcontext(prec=60):
        number = scale * Decimal(exact.numerator) / exact.denominator
        text = f"{number.quantize(Decimal(1).scaleb(-decimals), rounding):f}"
    return (text.rstrip("0").rstrip(".") if drop_zeros and "." in text else text) or "0"


def findings(rows, metrics=METRICS, **header):
    given = {
        **dict.fromkeys(("title", "source", "read_in", "dataset"), "a table"),
        **dict.fromkeys(("read", "track"), "not stated"),
        "protocol": dict.fromkeys(("setting", "image_size", "backbone"), "not stated"),
        "metrics": metrics,
        "rows": [{"model": "dae", **row} for row in rows],
        **header,
    }
    return check(build("table", given, "table.toml", lambda name: {}))


def one_row(n=26, a=141, **values):
    row = {"category": "pill", "n_normal": n, "n_abnormal": a, **{name: str(v) for name, v in values.items()}}
    return findings([row], list(values))


def said(found):
    return [(finding.severity, finding.metric, finding.kind) for finding in found]


@st.composite
def counts(draw, largest=250):
    n, a = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    return draw(st.integers(0, n)), draw(st.integers(0, a)), n, a


@settings(max_examples=150, deadline=None)
@given(
    st.lists(counts(), min_size=1, max_size=4),
    st.integers(0, 9),
    st.sampled_from(ROUNDINGS),
    st.sampled_from([1, 100]),
    st.booleans(),
)
def test_a_table_made_from_true_counts_passes_however_it_is_printed(cells, decimals, rounding, scale, drop_zeros):
    exact = [metrics_of(*cell) for cell in cells]
    mean = {name: sum(row[name] for row in exact) / len(exact) for name in METRICS}
    rows = [
        {"category": f"c{i}", "n_normal": cell[2], "n_abnormal": cell[3], **row}
        for i, (cell, row) in enumerate(zip(cells, exact, strict=True))
    ]
    for row in [*rows, mean]:
        row.update({name: shown(row[name], decimals, rounding, scale, drop_zeros) for name in METRICS})
    header = {"scale": scale, **({"digits": decimals} if drop_zeros and decimals else {})}
    found = findings([*rows, {"category": "mean", **mean}], **header)
    assert {finding.kind for finding in found} <= {"floor"}


@settings(max_examples=300, deadline=None)
@given(counts(largest=60), st.integers(1, 4), st.sampled_from(ROUNDINGS), st.data())
def test_one_digit_changed_beyond_rounding_is_always_found(cell, decimals, rounding, data):
    n, a = cell[2:]
    names = ["normal_rate", "abnormal_rate", data.draw(st.sampled_from(METRICS[2:]))]
    row = {name: shown(metrics_of(*cell)[name], decimals, rounding) for name in names}
    name = data.draw(st.sampled_from(names))
    at = data.draw(st.integers(0, decimals)) + (1 if row[name] else 0)
    at = 0 if at == 1 else at  # not the point
    row[name] = row[name][:at] + data.draw(st.sampled_from("0123456789")) + row[name][at + 1 :]
    assume(Fraction(row[name]) <= 1)
    # an oracle by brute force: no detector at all on this test set prints this row
    assume(
        not any(prints(metrics_of(k, m, n, a), row, decimals) for k, m in itertools.product(range(n + 1), range(a + 1)))
    )
    found = findings([{"category": "c", "n_normal": n, "n_abnormal": a, **row}], names)
    assert {"rate", "derived"} & {finding.kind for finding in found}


def prints(exact, row, decimals):
    """By any rounding, a different one in each cell if need be, and by cutting off a binary product."""
    steps = 10**decimals
    return all(
        text in {shown(exact[name], decimals, rounding) for rounding in ROUNDINGS}
        or text == f"{int(float(exact[name]) * steps) / steps:.{decimals}f}"
        for name, text in row.items()
    )


def test_a_rate_that_no_count_gives_is_impossible_and_shows_its_neighbours():
    (finding,) = one_row(normal_rate="0.05")
    assert (finding.severity, finding.kind) == ("impossible", "rate")
    assert finding.text == "0.05 of 26 normal images is no k/26: 1/26 = 0.038, 2/26 = 0.077"
    assert one_row(a=3, abnormal_rate="0.99")[0].text.endswith("2/3 = 0.667, 3/3 = 1.000")


def test_an_accuracy_more_than_a_point_off_is_impossible_and_shows_the_arithmetic():
    finding = one_row(normal_rate="0.73", abnormal_rate="0.83", accuracy="0.77")[0]
    assert (finding.severity, finding.kind, finding.about) == ("impossible", "derived", "dae, pill")
    assert finding.text == (
        "(0.73 x 26 + 0.83 x 141)/167 = 0.814, not 0.77: 4.4 points off; 19/26 and 117..118/141 give 0.814 to 0.820"
    )


def test_an_accuracy_within_a_point_is_a_remark_when_no_counts_give_it():
    found = one_row(20, 63, normal_rate="0.40", abnormal_rate="0.56", accuracy="0.53")
    assert said(found)[0] == ("remark", "accuracy", "derived")
    assert "0.9 points off (rounding); 8/20 and 35/63 give 0.518" in found[0].text


def test_the_step_that_rounding_allows_shrinks_with_the_digits():
    off_by = {"0.80": "0.790", "0.800": "0.797", "0.8000": "0.7990"}
    for rate, accuracy in off_by.items():
        found = one_row(10, 10, normal_rate=rate, abnormal_rate=rate, accuracy=accuracy)
        assert ("impossible", "accuracy", "derived") in said(found) or len(rate) == 4


def test_an_impossible_rate_does_not_hide_an_accuracy_that_is_far_off():
    found = one_row(33, 84, normal_rate="0.43", abnormal_rate="0.81", accuracy="0.67")
    assert said(found)[:2] == [("impossible", "normal_rate", "rate"), ("impossible", "accuracy", "derived")]
    found = one_row(26, 141, normal_rate="0.48", abnormal_rate="0.47", accuracy="0.48")
    assert ("remark", "accuracy", "derived") not in said(found), "nothing follows from a rate that cannot be"


@pytest.mark.parametrize(("metric", "right", "wrong"), [("balanced_accuracy", "0.78", "0.80"), ("f1", "0.89", "0.92")])
def test_what_else_follows_from_the_rates_is_recomputed(metric, right, wrong):
    found = one_row(normal_rate="0.73", abnormal_rate="0.83", **{metric: right})
    assert {finding.kind for finding in found} == {"floor"}
    found = one_row(normal_rate="0.73", abnormal_rate="0.83", **{metric: wrong})
    assert ("impossible", metric, "derived") in said(found)


def test_a_number_between_two_that_counts_give_is_none_that_they_give():
    found = one_row(10, 20, normal_rate="0.5", abnormal_rate="0.5", f1="0.55")  # counts give .529, .571, .611
    assert ("remark", "f1", "derived") in said(found)


def test_the_least_and_the_most_stand_for_counts_too_many_to_try():
    fits = {"normal_rate": "0.5", "abnormal_rate": "0.9", "accuracy": "0.7"}
    assert one_row(100_000, 100_000, **fits) == []
    assert said(one_row(100_000, 100_000, **{**fits, "accuracy": "0.9"})) == [("impossible", "accuracy", "derived")]


def test_a_mean_that_does_not_follow_from_its_rows_is_impossible():
    rows = [{"category": c, "auroc": v} for c, v in (("a", "0.90"), ("b", "0.80"), ("mean", "0.85"))]
    assert findings(rows, ["auroc"]) == []
    rows[2]["auroc"] = "0.88"
    (finding,) = findings(rows, ["auroc"])
    assert (finding.severity, finding.kind, finding.place) == ("impossible", "mean", "row 3")
    assert finding.text == "the mean of 2 rows is 0.850, not 0.88"


def test_a_mean_over_more_categories_than_are_shown_is_held_to_what_the_others_can_be():
    rows = [{"category": c, "auroc": "0.50"} for c in "abc"] + [{"category": "mean", "over": 4, "auroc": "0.63"}]
    assert [f.kind for f in findings(rows, ["auroc"])] == ["floor"] * 3
    rows[3]["auroc"] = "0.66"
    finding = findings(rows, ["auroc"])[-1]
    assert finding.severity == "impossible"
    assert finding.text == "with 3 of 4 categories here, their mean is from 0.371 to 0.632, not 0.66"


def test_a_mean_over_images_is_told_apart_from_one_over_categories():
    rows = [
        {"category": "a", "n_normal": 10, "n_abnormal": 90, "accuracy": "0.95"},
        {"category": "b", "n_normal": 10, "n_abnormal": 10, "accuracy": "0.65"},
        {"category": "mean", "accuracy": "0.90"},
    ]
    (finding,) = findings(rows, ["accuracy"])
    assert (finding.severity, finding.kind) == ("remark", "mean")
    assert finding.text == "0.90 is the mean over images, 0.900, not over categories"


@pytest.mark.parametrize(
    ("n", "a", "values", "text"),
    [
        (33, 84, {"accuracy": "0.72"}, "0.72 is, within rounding, no more than all anomalous, 84/117 = 0.718"),
        (33, 84, {"accuracy": "0.67"}, "0.67 is below all anomalous, 84/117 = 0.718"),
        (60, 40, {"accuracy": "0.55"}, "0.55 is below all normal, 60/100 = 0.600"),
        (26, 141, {"f1": "0.91"}, "0.91 is, within rounding, no more than all anomalous, 282/308 = 0.916"),
        (26, 141, {"balanced_accuracy": "0.50"}, "no more than any constant answer, 1/2 = 0.500"),
        (26, 141, {"auroc": "0.41"}, "0.41 is below a constant score, 1/2 = 0.500"),
        (26, 141, {"average_precision": "0.80"}, "0.80 is below a constant score, 141/167 = 0.844"),
        (33, 84, {"normal_rate": "1.00", "abnormal_rate": "0.43"}, "at most 0.590, no more than all anomalous, 84/117"),
    ],
)
def test_a_row_no_better_than_a_constant_answer_is_remarked(n, a, values, text):
    (finding,) = one_row(n, a, **values)
    assert (finding.severity, finding.kind) == ("remark", "floor")
    assert text in finding.text


@pytest.mark.parametrize(
    "values", [{"accuracy": "0.73"}, {"auroc": "0.51"}, {"normal_rate": "0.97", "abnormal_rate": "0.81"}]
)
def test_a_row_above_the_floor_is_not(values):
    assert one_row(33, 84, **values) == []


def test_a_category_that_nobody_solves_by_half_a_point_is_remarked():
    rows = [
        {"category": "pill", "model": model, "n_normal": 260, "n_abnormal": 1410, "accuracy": accuracy}
        for model, accuracy in (("a", "0.846"), ("b", "0.849"))
    ]
    (finding,) = findings(rows, ["accuracy"])
    assert finding.text == (
        "none of 2 rows beats all anomalous, 1410/1670 = 0.8443, by half a point: the best is 0.8490 (b)"
    )
    rows[1]["accuracy"] = "0.850"
    assert findings(rows, ["accuracy"]) == []


def test_what_stands_unchecked_is_said_once_a_category():
    rows = [{"category": "a", "model": model, "accuracy": "0.9"} for model in "xyz"]
    (finding,) = findings(rows, ["accuracy"])
    assert (finding.severity, finding.kind, finding.about) == ("remark", "unchecked", "a")
    assert "give n_normal and n_abnormal" in finding.text


def test_a_percent_table_is_talked_about_in_percent():
    row = {"category": "pill", "n_normal": 26, "n_abnormal": 141, "normal_rate": "5.0"}
    (finding,) = findings([row], ["normal_rate"], scale=100)
    assert finding.text == "5.0 of 26 normal images is no k/26: 1/26 = 3.85, 2/26 = 7.69"


def test_what_was_not_read_is_said(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("category,model,auroc,gpu hours\nbolt,dae,0.8,3\nnut,dae,-,3\n")
    assert [(finding.about, finding.text) for finding in check(read(file))] == [
        ("columns", "not read: gpu hours"),
        ("rows", "1 without a number are left out"),
    ]


def test_a_mean_of_a_metric_that_its_rows_leave_blank_is_let_be():
    rows = [{"category": "a", "auroc": "0.9", "f1": "-"}, {"category": "mean", "auroc": "0.9", "f1": "0.8"}]
    assert findings(rows, ["auroc", "f1"]) == []
