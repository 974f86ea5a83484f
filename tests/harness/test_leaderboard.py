from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness import Threshold
from harness.report.formats import FORMATS, render
from harness.report.formats.html import to_html
from harness.report.formats.terminal import to_terminal
from harness.report.leaderboard import leaderboard_document
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.leaderboard import Board, boards, unfinished
from harness.verdicts.margins import margin
from harness.verdicts.rows import RANKED_BY
from harness.verdicts.seeds import outlying_seeds
from harness.verdicts.verdict import METRICS, Verdict

TRIAL = Trial("dots", "bottle", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")
DEFECTS = ("good",) * 4 + ("crack",) * 6


class AtHalf(Threshold):
    name = "at_half"

    def fit(self, normal: np.ndarray) -> float:
        return 0.5


def verdict(right_normal: int, right_abnormal: int, fingerprint: str = "f00d", **changes: object) -> Verdict:
    """A verdict on 4 normal and 6 anomalous images with so many right."""
    scores = [0.0] * right_normal + [1.0] * (4 - right_normal) + [0.9] * right_abnormal + [0.1] * (6 - right_abnormal)
    test = np.array(scores)
    names = tuple(str(i) for i in range(10))
    evidence = Evidence({"mean": np.array([0.2])}, {"mean": test}, DEFECTS, names)
    outcome = Outcome(
        TRIAL._replace(**changes), "done", "", fingerprint, evidence, Record(default_pool="mean", fit_seconds=2.0)
    )
    return next(judge(outcome, [AtHalf()]))


def skipped(reason: str, **changes: object) -> Verdict:
    return next(judge(Outcome(TRIAL._replace(**changes), "skipped", reason), [AtHalf()]))


def only(found: Sequence[Board]) -> Board:
    (board,) = found
    return board


def test_methods_are_ranked_by_balanced_accuracy_and_ties_share_a_rank() -> None:
    board = only(boards([
        verdict(1, 6), verdict(3, 5, model="cae"), verdict(3, 5, model="vae"), verdict(4, 6, model="best"),
    ]))  # fmt: skip
    assert [(line.rank, line.method.model) for line in board.lines] == [(1, "best"), (2, "cae"), (2, "vae"), (4, "dae")]


def test_grave_findings_on_the_images_stand_below_the_boards_that_they_touch() -> None:
    plain, marked = verdict(4, 6, category="pill"), verdict(4, 6, fingerprint="abcd", category="screw")
    record = replace(marked.outcome.record, grave={"shortcut": "The brightness alone tells them apart."})
    marked = next(judge(replace(marked.outcome, record=record), [AtHalf()]))
    overall, pill, screw = boards([plain, marked])
    assert overall.notes == ["GRAVE findings on the images of screw (shortcut)."]
    assert not pill.notes
    assert screw.notes == ["GRAVE shortcut: The brightness alone tells them apart."]
    shown = render(leaderboard_document([plain, marked]), "md")
    assert "GRAVE shortcut: The brightness alone tells them apart." in shown


def test_another_metric_can_rank() -> None:
    rows = [verdict(0, 6), verdict(4, 1, model="cae")]
    assert only(boards(rows)).lines[0].method.model == "cae"
    assert only(boards(rows, "accuracy")).lines[0].method.model == "dae"


def test_floors_are_what_constant_answers_score_on_the_same_images() -> None:
    floors = only(boards([verdict(4, 6)])).floors
    assert floors["all anomalous"]["accuracy"] == 0.6
    assert floors["all anomalous"]["f1"] == pytest.approx(0.75)
    assert floors["all anomalous"]["balanced_accuracy"] == 0.5
    assert floors["all normal"]["accuracy"] == 0.4
    assert floors["all normal"]["f1"] == 0.0


@pytest.mark.parametrize(("right", "beats"), [((0, 6), False), ((1, 5), False), ((1, 6), True), ((4, 3), True)])
def test_a_row_that_does_not_beat_the_better_constant_answer_is_marked(right: tuple[int, int], beats: bool) -> None:
    assert only(boards([verdict(*right)])).lines[0].beats_floors is beats
    assert ("▽" in render(leaderboard_document([verdict(*right)]), "md")) is not beats


def test_seeds_are_summed_up_as_mean_spread_and_range() -> None:
    line = only(boards([verdict(4, 6, seed=0), verdict(2, 6, seed=1), verdict(3, 6, seed=2)])).lines[0]
    accuracy = line.stats["accuracy"]
    assert (accuracy.mean, accuracy.low, accuracy.high, accuracy.n) == (pytest.approx(0.9), 0.8, 1.0, 3)
    assert accuracy.sd == pytest.approx(0.1)
    assert line.seeds == 3
    assert line.verdict is None, "intervals from the size of the test set are for one seed"


def test_one_seed_has_intervals_from_the_size_of_its_test_set() -> None:
    line = only(boards([verdict(4, 5)])).lines[0]
    assert line.verdict is not None
    low, high = line.verdict.interval("accuracy")
    assert 0.59 < low < 0.60
    assert 0.98 < high < 0.99
    shown = render(leaderboard_document([verdict(4, 5)]), "md")
    assert "0.900 ±.19" in shown
    assert f"±{(high - low) / 2:.2f}".replace("±0.", "±.") == "±.19"


def test_every_metric_has_half_an_interval_beside_it_which_grows_with_the_spread_of_seeds() -> None:
    one, equal, apart = (
        only(boards([verdict(4, found, seed=seed) for seed, found in enumerate(group)])).lines[0]
        for group in ([5], [5, 5, 5], [4, 5, 6])
    )
    for metric in METRICS:
        low, high = one.verdict.interval(metric)
        assert margin(one, metric) == pytest.approx((high - low) / 2)
        assert margin(equal, metric) == pytest.approx(margin(one, metric)), "equal fits tell nothing new"
    assert margin(apart, "accuracy") == pytest.approx(0.228, abs=0.001)
    assert margin(apart, "accuracy") > margin(equal, "accuracy")
    overall = only(boards([verdict(4, 5), verdict(4, 5, category="pill")])[:1]).lines[0]
    assert margin(overall, "auroc") == pytest.approx(margin(one, "auroc") / np.sqrt(2))
    assert margin(one, "aupro") is None


@pytest.mark.parametrize("width", [60, 80, 120, 250])
def test_what_ranks_has_it_in_a_terminal_of_any_width(width: int) -> None:
    for ranked_by in ("balanced_accuracy", "auroc", "average_precision"):
        shown = to_terminal(leaderboard_document([verdict(4, 5), verdict(3, 5, loss="ssim")], ranked_by), width)
        assert "±." in shown
        assert "±: half a 95 % interval" in " ".join(shown.split())


def test_a_seed_far_from_the_others_is_named() -> None:
    group = [verdict(4, 6, seed=0), verdict(4, 6, seed=1), verdict(4, 6, seed=2), verdict(0, 6, seed=7)]
    assert outlying_seeds(group, RANKED_BY) == (7,)
    assert outlying_seeds(group[:3], RANKED_BY) == ()
    assert outlying_seeds(group[1:], RANKED_BY) == (7,), "of three the middle one says"
    assert outlying_seeds(group[2:], RANKED_BY) == (), "of two seeds nobody can say which is far"
    assert "Far from the other seeds: dae · conv · mse, seed 7." in render(leaderboard_document(group), "md")


def test_seeds_that_all_but_agree_have_no_outlier_however_small_their_spread() -> None:
    """Of 100 normal images each counts half a point: three seeds at one value, and a fourth next to it, are alike."""

    def with_right(normal: int, seed: int) -> Verdict:
        scores = np.array([0.0] * normal + [1.0] * (100 - normal) + [0.9])
        evidence = Evidence(
            {"mean": np.array([0.2])}, {"mean": scores}, ("good",) * 100 + ("crack",), tuple(map(str, range(101)))
        )
        outcome = Outcome(TRIAL._replace(seed=seed), "done", "", "f00d", evidence, Record(default_pool="mean"))
        return next(judge(outcome, [AtHalf()]))

    alike = [with_right(80, seed) for seed in range(3)]
    assert outlying_seeds([*alike, with_right(71, 3)], RANKED_BY) == (), "4.5 points from the others"
    assert outlying_seeds([*alike, with_right(69, 3)], RANKED_BY) == (3,), "5.5 points"
    spread = [with_right(right, seed) for seed, right in enumerate((60, 70, 80))]  # whose median deviation is 5 points
    fourth = (
        outlying_seeds([*spread, with_right(40, 3)], RANKED_BY),
        outlying_seeds([*spread, with_right(0, 3)], RANKED_BY),
    )
    assert fourth == ((), (3,)), "12.5 points from the median, and 32.5; 22.2 is the limit"
    scattered = [with_right(right, seed) for seed, right in enumerate((40, 60, 80, 100))]
    assert outlying_seeds(scattered, RANKED_BY) == (), "nobody is far from seeds that lie far apart"


def test_the_mean_over_categories_weighs_categories_alike_and_pooled_weighs_images_alike() -> None:
    small = verdict(4, 6)
    evidence = Evidence({"mean": np.array([0.2])}, {"mean": np.array([0.0, 0.0])}, ("good", "crack"), ("0", "1"))
    tiny = next(
        judge(
            Outcome(TRIAL._replace(category="pill"), "done", "", "beef", evidence, Record(default_pool="mean")),
            [AtHalf()],
        )
    )
    overall = boards([small, tiny])[0]
    assert overall.category is None
    assert overall.lines[0].stats["accuracy"].mean == pytest.approx((1.0 + 0.5) / 2)
    assert overall.lines[0].pooled_accuracy == pytest.approx(11 / 12)
    assert [line.pooled_accuracy for line in boards([tiny])[0].lines] == [0.5], "of one category it is its own"
    more_seeds = boards([small, verdict(4, 5, seed=1), tiny])[0].lines[0]
    assert more_seeds.pooled_accuracy == pytest.approx((10 + 9 + 1) / 22)
    assert more_seeds.stats["accuracy"].mean == pytest.approx((0.95 + 0.5) / 2)


def test_what_two_versions_of_a_part_made_is_never_one_row() -> None:
    board = only(boards([verdict(4, 6), verdict(2, 3, seed=1, versions="dae 2")]))
    assert [(line.method.versions, line.seeds) for line in board.lines] == [("", 1), ("dae 2", 1)]
    shown = render(leaderboard_document([verdict(4, 6), verdict(2, 3, versions="dae 2")]), "md")
    assert "versions" in shown
    assert "dae 2" in shown
    same = [verdict(4, 6, versions="dae 2"), verdict(2, 3, model="cae")]
    assert "versions" not in render(leaderboard_document(same), "md")


def test_rows_are_ranked_on_the_seeds_that_all_have_and_it_is_said() -> None:
    lucky = [verdict(4, 6, model="cae", seed=7), verdict(2, 3, model="cae", seed=1)]
    board = only(boards([*lucky, verdict(4, 4, seed=1)]))
    assert [line.method.model for line in board.lines] == ["dae", "cae"], "on seed 1; on its own seeds cae is ahead"
    assert [line.worth("accuracy") for line in board.lines] == [0.8, 0.5]
    assert board.lines[1].stats["accuracy"].mean == 0.75
    shown = render(leaderboard_document([*lucky, verdict(4, 4, seed=1)]), "md")
    assert "Ranked by balanced accuracy over seed 1, which all rows have (column common seeds)" in shown
    assert "common seeds" not in render(leaderboard_document(lucky), "md")


def test_rows_without_a_seed_in_common_are_ranked_on_their_own_and_it_is_said() -> None:
    shown = render(leaderboard_document([verdict(4, 6, model="cae", seed=7), verdict(4, 4, seed=1)]), "md")
    assert "each row over its own seeds: no seed is common to all." in shown


def test_over_categories_too_the_seeds_that_all_rows_of_a_category_have_decide() -> None:
    cae = [verdict(4, 6, model="cae", seed=7), verdict(2, 3, model="cae"), verdict(4, 6, model="cae", category="pill")]
    dae = [verdict(4, 4), verdict(4, 6, category="pill")]
    overall = boards([*cae, *dae])[0]
    assert [line.method.model for line in overall.lines] == ["dae", "cae"]
    assert "the seeds that all rows of a category have (column common seeds)" in render(
        leaderboard_document([*cae, *dae]), "md"
    )


def test_a_metric_that_a_category_does_not_define_has_no_mean_over_categories() -> None:
    only_good = Evidence({"mean": np.array([0.2])}, {"mean": np.array([0.0, 1.0])}, ("good", "good"), ("0", "1"))
    outcome = Outcome(TRIAL._replace(category="pill"), "done", "", "beef", only_good, Record(default_pool="mean"))
    line = boards([verdict(4, 6), next(judge(outcome, [AtHalf()]))])[0].lines[0]
    assert line.stats["normal_rate"].mean == 0.75
    assert line.mean("auroc") is None
    assert not {"abnormal_rate", "balanced_accuracy", "auroc"} & line.stats.keys()


def test_over_categories_the_fewest_seeds_of_any_are_told() -> None:
    rows = [verdict(4, 6), verdict(4, 6, seed=1), verdict(4, 6, category="pill")]
    assert boards(rows)[0].lines[0].seeds == 1


def test_a_method_that_lacks_a_category_is_listed_unranked() -> None:
    overall = boards([verdict(1, 3), verdict(1, 3, category="pill"), verdict(4, 6, model="cae")])[0]
    assert [(line.method.model, line.rank) for line in overall.lines] == [("dae", 1), ("cae", None)]


@pytest.mark.parametrize("change", [{"image_size": 128}, {"dataset": "other"}])
def test_what_differs_in_what_matters_is_not_ranked_together(change: dict[str, object]) -> None:
    found = boards([verdict(4, 6), verdict(3, 6, model="cae", **change)])
    assert [len(board.lines) for board in found] == [1, 1]


def test_data_that_changed_between_runs_is_ranked_apart_and_said() -> None:
    found = boards([verdict(4, 6, "0ld"), verdict(3, 6, "new", model="cae")])
    assert [len(board.lines) for board in found] == [1, 1]
    assert "bottle changed between runs" in found[0].notes[0]
    assert "0ld" in render(leaderboard_document([verdict(4, 6, "0ld"), verdict(3, 6, "new", model="cae")]), "md")


def test_cells_that_are_not_done_are_listed_once_with_their_reason() -> None:
    rows = [verdict(4, 6), skipped("no weights", encoder="vgg16"), skipped("no weights", encoder="resnet50")]
    assert unfinished(rows) == {
        ("skipped", "no weights"): ["bottle · dae + vgg16 + mse · seed 0", "bottle · dae + resnet50 + mse · seed 0"]
    }
    assert "skipped: bottle · dae + vgg16 + mse · seed 0 and 1 more: no weights" in render(
        leaderboard_document(rows), "md"
    )


def test_a_verdict_that_failed_on_a_finished_trial_is_called_unfinished_beside_those_that_did_not() -> None:
    class Failing(AtHalf):
        name = "failing"

        def fit(self, normal: np.ndarray) -> float:
            raise ValueError("too few")

    done = verdict(4, 6)
    failed = next(judge(done.outcome, [Failing()]))
    assert list(unfinished([done, failed]).values()) == [["bottle · dae + conv + mse · seed 0"]]
    ((status, reason),) = unfinished([done, failed])
    assert status == "error"
    assert "too few" in reason


def test_a_cell_that_a_later_run_finished_is_no_longer_called_unfinished() -> None:
    assert unfinished([skipped("no weights"), verdict(4, 6)]) == {}


def test_only_unfinished_cells_give_no_table_but_their_reasons() -> None:
    shown = to_terminal(leaderboard_document([skipped("no weights")]), 100)
    assert shown == "skipped: bottle · dae + conv + mse · seed 0: no weights\n"


def example() -> list[Verdict]:
    return [
        verdict(3, 5),
        verdict(0, 6, loss="ssim"),
        verdict(4, 6, model="cae", encoder="vgg16", weights="random"),
        verdict(2, 6, category="pill"),
        verdict(4, 4, loss="ssim", category="pill"),
        skipped("no weights 'x': put them there", model="cae", encoder="resnet50", category="pill"),
    ]


@pytest.mark.parametrize("style", ["md", "csv", "json"])
def test_the_leaderboard_prints_as_it_did(style: str, golden: Callable[[str, str], None]) -> None:
    golden(f"leaderboard.{style}", render(leaderboard_document(example()), style))


def test_the_leaderboard_prints_in_a_terminal_as_it_did(golden: Callable[[str, str], None]) -> None:
    golden("leaderboard.txt", to_terminal(leaderboard_document(example()), 140))


def test_weights_are_in_every_table() -> None:
    for style in FORMATS:
        assert "random" in render(leaderboard_document(example()), style)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("ranked_by", ["balanced_accuracy", "auroc", "f1"])
def test_what_ranks_false_alarms_and_misses_stand_in_a_terminal_of_any_width(width: int, ranked_by: str) -> None:
    shown = to_terminal(leaderboard_document(example(), ranked_by), width)
    assert max(map(len, shown.splitlines())) <= width
    for table in shown.split("\n\n")[:3]:
        heading = next(line for line in table.splitlines() if "method" in line)
        for column in (
            "method",
            "false alarms",
            "misses",
            {"balanced_accuracy": "balanced", "auroc": "AUROC", "f1": "F1"}[ranked_by],
        ):
            assert column in heading
        said = " ".join(table.splitlines()[table.splitlines().index(heading) + 1 :])
        assert ("pooled gives" in said) == ("pooled" in heading), "a legend explains what is shown"


def test_a_title_says_one_epoch_and_three_epochs() -> None:
    for epochs, said in ((1, " · 1 epoch\n"), (3, " · 3 epochs\n")):
        assert said in render(leaderboard_document([verdict(4, 6, epochs=epochs)]), "md")


def test_ties_are_told() -> None:
    rows = [verdict(3, 5, model=model) for model in ("dae", "cae", "vae")]
    assert "Tied: 3 at rank 1; these images do not tell them apart." in render(leaderboard_document(rows), "md")
    assert "Tied" not in render(leaderboard_document([verdict(3, 5), verdict(4, 6, model="cae")]), "md")


def test_names_are_short_and_what_they_stand_for_is_shown_on_hover_in_html() -> None:
    rows = [verdict(3, 5, model="knn", encoder="timm[name=tf_efficientnet_lite0.in1k]", loss="-")]
    shown = to_html(leaderboard_document(rows))
    assert 'title="knn + timm[name=tf_efficientnet_lite0.in1k]">knn · effnet_lite0<' in shown
    assert "timm[name=tf_efficientnet_lite0.in1k]" in render(leaderboard_document(rows), "csv")
