from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness import Threshold
from harness.commands import main
from harness.metrics.significance import mcnemar, seeds_by_images, wilcoxon
from harness.report.formats import render
from harness.report.formats.terminal import to_terminal
from harness.report.significance import COLUMNS, significance_document
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import row_of, verdict_of
from harness.verdicts.judging import judge
from harness.verdicts.leaderboard import boards
from harness.verdicts.methods import labels
from harness.verdicts.paired_tests import PairedTests, paired_tests
from harness.verdicts.rows import RANKED_BY
from harness.verdicts.verdict import Verdict

TRIAL = Trial("dots", "bottle", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")
LABELS = np.arange(20) >= 8


class AtHalf(Threshold):
    name = "at_half"

    def fit(self, normal: np.ndarray) -> float:
        return 0.5


def verdict(wrong: Sequence[int], **changes: object) -> Verdict:
    """A verdict on 8 normal and 12 anomalous images that is wrong on these."""
    called = LABELS.copy()
    called[list(wrong)] ^= True
    defects = tuple("crack" if label else "good" for label in LABELS)
    evidence = Evidence({"mean": np.array([0.2])}, {"mean": called.astype(float)}, defects, tuple(map(str, range(20))))
    outcome = Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, Record(default_pool="mean"))
    return next(judge(outcome, [AtHalf()]))


EVIDENCE = Evidence({}, {}, tuple("crack" if label else "good" for label in LABELS), tuple(map(str, range(20))))


def paired(verdicts: Sequence[Verdict], ranked_by: str = RANKED_BY) -> list[PairedTests]:
    return paired_tests(boards(verdicts, ranked_by), ranked_by)


def categories(n: int, *methods: tuple[str, int]) -> list[Verdict]:
    """Methods that err on so many images, and on one more in every second category."""
    return [
        verdict(range(8, 8 + errors + i % 2), model=model, category=f"category_{i:02}")
        for model, errors in methods
        for i in range(n)
    ]


def test_decisions_are_right_where_an_image_is_called_what_it_is() -> None:
    right = verdict([0, 9]).images.right()
    assert right is not None
    assert np.flatnonzero(~right).tolist() == [0, 9]


def test_methods_are_paired_on_the_images_of_a_category() -> None:
    (found,) = paired([verdict(range(8, 17)), verdict([8, 0], model="cae")])
    (pair,) = found.pairs
    assert (found.metric, found.n, list(found.lines)) == ("accuracy", 20, ["cae · conv · mse", "dae · conv · mse"])
    assert (pair.wins, pair.losses) == (8, 1)
    assert pair.p == mcnemar(*[line.verdicts[0].images.right() for line in found.lines.values()])
    assert pair.difference == pytest.approx(7 / 20)


def test_pairs_of_one_category_are_corrected_together() -> None:
    (found,) = paired([verdict(range(8, 17)), verdict([8, 0], model="cae"), verdict([], model="vae")])
    assert len(found.pairs) == 3
    assert min(pair.p_holm for pair in found.pairs) == pytest.approx(3 * min(pair.p for pair in found.pairs))


def test_methods_are_paired_over_all_seeds_that_both_have_and_the_table_says_so() -> None:
    dae = [verdict(range(8, 17), seed=1), verdict([8], seed=2), verdict([], seed=3)]
    cae = [verdict([], model="cae", seed=1), verdict([9], model="cae", seed=2)]
    (found,) = paired([*dae, *cae])
    (pair,) = found.pairs
    assert (pair.first, pair.seeds) == ("cae · conv · mse", 2)
    assert pair.p == seeds_by_images([v.images.right() for v in cae], [v.images.right() for v in dae[:2]])
    shown = render(significance_document([found]), "md")
    assert "over the seeds that both have" in shown
    assert "19.5 of 20" in shown
    assert {row["test"] for row in json.loads(render(significance_document([found]), "json"))} == {"seeds-by-images"}
    one_each = render(significance_document(paired([verdict([]), verdict([1], model="cae")])), "md")
    assert "McNemar's exact test, corrected" in one_each


def test_methods_without_a_seed_in_common_are_not_tested_and_it_is_said() -> None:
    (found,) = paired([verdict([]), verdict([1], model="cae", seed=1), verdict([2], model="vae")])
    assert [(pair.first[:3], pair.second[:3]) for pair in found.pairs] == [("dae", "vae")]
    assert "Not tested, for they have no seed in common: 2 pairs." in render(significance_document([found]), "md")


def test_methods_are_paired_over_categories_by_their_means_over_the_seeds_that_all_have() -> None:
    verdicts = categories(6, ("dae", 3), ("cae", 1))
    for model, wrong in (("cae", []), ("dae", range(8, 11))):
        verdicts += [verdict(wrong, model=model, seed=1, category=f"category_{i:02}") for i in range(6)]
    verdicts += [verdict(range(20), model="cae", seed=2, category="category_00")]
    overall = paired(verdicts)[0]
    (pair,) = overall.pairs
    expected = [[1 - errors / 24 for errors in rates] for rates in ([0.5, 1] * 3, [3, 3.5] * 3)]
    assert list(overall.lines) == ["cae · conv · mse", "dae · conv · mse"]
    assert pair.difference == pytest.approx(np.mean(expected[0]) - np.mean(expected[1]))
    assert pair.p == wilcoxon(*expected) == pytest.approx(2 / 2**6)
    assert overall.critical is None, "of two methods there is no critical difference"


@pytest.mark.parametrize(("methods", "needed"), [(2, 6), (3, 7), (4, 8)])
def test_with_too_few_categories_one_line_says_how_many_it_takes(methods: int, needed: int) -> None:
    named = [(f"m{i:02}", 0 if i else 3) for i in range(methods)]
    few, enough = (paired(categories(n, *named))[0] for n in (needed - 1, needed))
    assert few.too_few
    assert not enough.too_few
    said = f"{needed - 1} categories are too few for {methods * (methods - 1) // 2} pair"
    shown = " ".join(to_terminal(significance_document([few]), 200).split())
    assert said in shown
    assert f"which takes {needed}." in shown
    assert "better than" not in shown
    assert "too few" not in render(significance_document([enough]), "md")


def test_the_bound_on_categories_is_where_the_clearest_difference_shows() -> None:
    everywhere_better = paired(categories(6, ("dae", 3), ("cae", 1)))[0]
    assert everywhere_better.pairs[0].p_holm < 0.05
    assert paired(categories(5, ("dae", 3), ("cae", 1)))[0].pairs[0].p_holm > 0.05


def test_three_methods_have_a_critical_difference_by_mean_rank() -> None:
    overall = paired(categories(8, ("dae", 6), ("cae", 3), ("vae", 0)))[0]
    assert overall.critical is not None
    assert list(overall.critical.ranks.values()) == [1.0, 2.0, 3.0]
    shown = render(significance_document([overall]), "md")
    assert "mean ranks differ by less than 1.17" in shown
    rows = {row[2]: row for row in (line.split(" | ") for line in shown.splitlines() if " · conv · " in line)}
    assert len(rows) == 3
    assert [row[4].strip() for row in rows.values()] == ["a", "a b", "b"]


def test_the_metric_that_ranks_is_the_one_that_is_tested_over_categories() -> None:
    overall = paired(categories(6, ("dae", 3), ("cae", 1)), "abnormal_rate")[0]
    assert overall.metric == "abnormal_rate"
    assert overall.pairs[0].difference == pytest.approx(2 / 12)


def test_a_method_that_ranks_lower_may_still_judge_more_images_rightly() -> None:
    few, many = verdict(range(8, 12)), verdict(range(3), model="cae")  # 8 of 8 and 8 of 12; 5 of 8 and 12 of 12
    shown = render(significance_document(paired([few, many])), "md")
    first, second = (line.split("|") for line in shown.splitlines() if " · conv · " in line)
    assert ("dae" in first[2], "cae" in second[2]) == (True, True)
    assert second[4].strip() == "4 : 3" or second[4].strip() == "3 : 4"


def test_what_ranks_by_one_class_is_tested_on_the_images_of_that_class() -> None:
    (found,) = paired([verdict(range(8, 18)), verdict([0, 1], model="cae")], "normal_rate")
    assert (found.metric, found.n, found.pairs[0].wins, found.pairs[0].losses) == ("normal_rate", 8, 2, 0)
    shown = render(significance_document([found]), "md")
    assert "on 8 normal test images" in shown
    assert "6 of 8" in shown


def scored(model: str, seed: int, noise: float) -> Verdict:
    scores = LABELS + noise * np.random.default_rng([seed, len(model)]).normal(size=20)
    evidence = Evidence({"mean": np.array([0.2])}, {"mean": scores}, EVIDENCE.defects, EVIDENCE.paths)
    trial = TRIAL._replace(model=model, seed=seed)
    return next(judge(Outcome(trial, "done", "", "f00d", evidence, Record(default_pool="mean")), [AtHalf()]))


@pytest.mark.parametrize(("metric", "test"), [("auroc", "delong"), ("f1", "bootstrap"), ("average_precision", "bootstrap")])  # fmt: skip
def test_the_metric_that_ranks_is_the_one_that_is_tested_on_images(metric: str, test: str) -> None:
    several = [scored(model, seed, noise) for model, noise in (("dae", 0.4), ("vae3", 2.0)) for seed in (0, 1)]
    (found,) = paired(several, metric)
    (pair,) = found.pairs
    assert (found.test, found.metric, pair.seeds, found.n) == (test, metric, 2, 20)
    means = [line.mean(metric) for line in found.lines.values()]
    assert pair.difference == pytest.approx(means[0] - means[1])
    shown = render(significance_document([found]), "md")
    assert f"{means[0]:.3f}" in shown
    assert ("DeLong's test" if metric == "auroc" else "paired bootstrap") in shown
    assert "over the seeds that both have" in shown
    assert {row["test"] for row in json.loads(render(significance_document([found]), "json"))} == {test}
    stated = [verdict_of({**row_of(each), "evidence": None}) for each in several]
    assert paired(stated, metric)[0].test == "decisions", "without scores there is nothing else to be had"


def test_practical_differences_over_categories_are_told_where_they_are_asked_for() -> None:
    verdicts = categories(6, ("dae", 3), ("cae", 1))
    overall = paired_tests(boards(verdicts, RANKED_BY), RANKED_BY, rope=0.02)[0]
    ((names, found),) = overall.practical.items()
    assert names == (overall.pairs[0].first, overall.pairs[0].second)
    assert found.better > 0.9
    shown = render(significance_document([overall]), "md")
    assert "Bayesian signed-rank test" in shown
    row = json.loads(render(significance_document([overall]), "json"))[0]
    assert row["p_better"] == found.better
    assert "Bayesian" not in render(significance_document(paired(verdicts)[:1]), "md")


def test_a_method_that_lacks_a_category_is_left_out_over_categories_only() -> None:
    found = paired([*categories(2, ("dae", 3), ("cae", 1)), verdict([], model="vae", category="category_00")])
    assert [len(test.lines) for test in found] == [2, 3, 2]


def test_a_method_alone_is_not_tested() -> None:
    assert paired([verdict([])]) == []
    assert "two methods" in render(significance_document([]), "rich")
    assert json.loads(render(significance_document([]), "json")) == []


def test_verdicts_of_an_export_are_tested_as_those_of_a_store() -> None:
    ours = [verdict([]), verdict([1], model="cae"), verdict([2, 3, 9], model="vae")]
    exported = [verdict_of(row_of(each)) for each in ours]
    assert render(significance_document(paired(exported)), "json") == render(
        significance_document(paired(ours)), "json"
    )


def test_verdicts_that_do_not_say_on_which_images_they_are_right_are_not_tested() -> None:
    rows = [row_of(verdict([])), row_of(verdict([1], model="cae"))]
    assert paired([verdict_of({**row, "right": None}) for row in rows]) == []


def test_methods_that_differ_in_settings_only_are_told_apart_by_them() -> None:
    methods = [line.method for line in boards([verdict([]), verdict([1], epochs=9, learning_rate=0.1)])[0].lines]
    assert sorted(labels(methods).values()) == [
        "dae · conv · mse, epochs 3, learning_rate 0.0001",
        "dae · conv · mse, epochs 9, learning_rate 0.1",
    ]


def test_random_weights_are_always_said_and_others_where_they_set_methods_apart() -> None:
    (method,) = (line.method for line in boards([verdict([])])[0].lines)
    random, published = method._replace(weights="random"), method._replace(weights="pretrained")
    assert list(labels([random]).values()) == ["dae · conv · mse, random weights"]
    assert list(labels([published]).values()) == ["dae · conv · mse"]
    assert list(labels([random, published]).values()) == [
        "dae · conv · mse, random weights", "dae · conv · mse, weights pretrained",
    ]  # fmt: skip
    other = random._replace(pool="max")
    assert labels([random, other])[other] == "dae · conv · mse, random weights, pool max"
    assert labels([random, random, published._replace(model="cae")])[random] == "dae · conv · mse, random weights"


def example() -> list[PairedTests]:
    better = [*categories(2, ("dae", 9), ("cae", 2), ("vae", 0)), verdict([8], seed=1, category="category_00")]
    return paired([*better, verdict([0], model="lone", category="category_01")])


def test_tests_print_as_they_did(golden: Callable[[str, str], None]) -> None:
    golden("significance.md", render(significance_document(example()), "md"))


def test_tests_print_in_a_terminal_as_they_did(golden: Callable[[str, str], None]) -> None:
    golden("significance.txt", to_terminal(significance_document(example()), 120))


def test_csv_and_json_hold_the_same_rows() -> None:
    as_csv = list(csv.DictReader(io.StringIO(render(significance_document(example()), "csv"))))
    as_json = json.loads(render(significance_document(example()), "json"))
    assert {tuple(row) for row in (*as_csv, *as_json)} == {COLUMNS}
    assert [row["p"] for row in as_csv] == [str(row["p"]) for row in as_json]
    assert {row["test"] for row in as_json} == {"mcnemar", "signed-rank", "nemenyi"}


@pytest.fixture
def leaderboard(tmp_path: Path, dots_plugin: Path) -> Callable[..., Result]:
    common = ["--plugin", str(dots_plugin), "--store", str(tmp_path), "--thresholds", "highest"]

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, ["leaderboard", *common, *words])

    words = ["--dataset", "dots", "--categories", "large,small", "--models", "mean_image,brightest", "--device", "cpu"]
    assert CliRunner().invoke(main, ["run", *common, *words]).exit_code == 0
    return call


def test_the_command_adds_the_tests_for_people_and_gives_only_them_to_programs(
    leaderboard: Callable[..., Result],
) -> None:
    shown = leaderboard("--significance", "--format", "md")
    assert shown.exit_code == 0
    assert "all anomalous" in shown.stdout
    assert "### Which differ · dots · 16 px · large · on 7 test images" in shown.stdout
    assert "2 categories are too few for 1 pair" in shown.stdout
    assert "Which differ" in leaderboard("--significance").stdout
    assert "Which differ" not in leaderboard().stdout
    assert "--rope 0.01 belongs to the tests" in leaderboard("--rope", "0.01").stderr
    assert "Bayesian" in leaderboard("--significance", "--rope", "0.01").stdout
    rows = json.loads(leaderboard("--significance", "--format", "json").stdout)
    assert [row["test"] for row in rows] == ["signed-rank", "mcnemar", "mcnemar"]
    assert rows[1]["category"] == "large"


@pytest.fixture
def exported(leaderboard: Callable[..., Result], tmp_path: Path, dots_plugin: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    words = ["export", "--plugin", str(dots_plugin), "--store", str(tmp_path), "--out", str(file)]
    assert CliRunner().invoke(main, words).exit_code == 0
    return file


def test_an_export_gives_the_tests_that_its_store_gives(leaderboard: Callable[..., Result], exported: Path) -> None:
    words = ["--significance", "--format", "md"]
    assert leaderboard(*words, "--store", str(exported)).stdout == leaderboard(*words).stdout


def test_of_an_earlier_export_it_is_said_why_there_are_no_tests_on_images(
    leaderboard: Callable[..., Result], exported: Path
) -> None:
    rows = [json.loads(line) for line in exported.read_text().splitlines()]
    later = ("right", "evidence", "digest")
    exported.write_text("".join(json.dumps({k: v for k, v in row.items() if k not in later}) + "\n" for row in rows))
    said = "No tests on the same images: the export does not say on which each is right; export it anew."
    assert said in leaderboard("--significance", "--store", str(exported)).stdout
    assert said not in leaderboard("--significance").stdout
    json.loads(leaderboard("--significance", "--store", str(exported), "--format", "json").stdout)
