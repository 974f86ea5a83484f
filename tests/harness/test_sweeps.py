"""Sweeps of options: spelt with alternatives, folded under their method, with what choosing the best flatters it by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness import Threshold, UsageError
from harness.commands import main
from harness.plugin.grammar import expanded
from harness.plugin.registry import Registry
from harness.report.formats import render
from harness.report.leaderboard import leaderboard_document
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.leaderboard import boards
from harness.verdicts.sweeps import differing, has_sweeps, sweeps_of
from harness.verdicts.verdict import Verdict

KINDS = ("good",) * 20 + ("crack",) * 20


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cae", ["cae"]),
        ("cae[contraction=1e-4]", ["cae[contraction=1e-4]"]),
        ("cae[contraction=1e-4|1e-3|1e-2]", ["cae[contraction=1e-4]", "cae[contraction=1e-3]", "cae[contraction=1e-2]"]),
        ("m[a=1|2,b=x|y]", ["m[a=1,b=x]", "m[a=1,b=y]", "m[a=2,b=x]", "m[a=2,b=y]"]),
        ("m[loss=ssim[window=7|11]]", ["m[loss=ssim[window=7]]", "m[loss=ssim[window=11]]"]),
        ('m[file="a|b",n=1|2]', ['m[file="a|b",n=1]', 'm[file="a|b",n=2]']),
        ("m[a=|]", ["m[a=|]"]),
    ],
)  # fmt: skip
def test_alternatives_stand_for_a_part_each(text: str, found: list[str]) -> None:
    assert expanded(text) == found


@given(st.text(alphabet='m[]=|,"ab1 \\', max_size=20))
def test_any_text_is_expanded_or_refused_in_a_line(text: str) -> None:
    try:
        assert expanded(text)
    except UsageError as error:
        assert "\n" not in str(error)


def test_a_run_fits_each_alternative_and_folds_them_under_the_best(tmp_path: Path, dots_plugin: Path) -> None:
    words = ["--plugin", str(dots_plugin), "--store", str(tmp_path)]
    run = [
        "run",
        "--dataset",
        "dots",
        "--categories",
        "large,small",
        "--models",
        "mean_image[gain=1|2|3],brightest",
        "--jobs",
        "1",
    ]
    done = CliRunner().invoke(main, [*run, *words])
    assert done.exit_code == 0, done.output
    assert "8 fitted" in done.stderr
    for said in (done.stdout, CliRunner().invoke(main, ["leaderboard", *words]).stdout):
        assert said.count("the best of 3 by gain") == 3
        assert said.count("flatters its balanced accuracy by 0.000") == 3
        assert "gain=3" not in said
    rows = CliRunner().invoke(main, ["leaderboard", *words, "--format", "csv"]).stdout.splitlines()
    assert sum("mean_image" in row for row in rows) == 6, "programs get all rows"


def outcome(level: str, category: str, strength: float, seed: int = 0) -> Outcome:
    trial = Trial("folder", category, f"dae[level={level}]", "conv", "mse", seed, 64, 3, 32, 1e-4, 0.0, "fp32", "-")
    random = np.random.default_rng([int(float(level) * 10), len(category), seed])
    test = random.normal(size=40) + strength * np.repeat([0, 1], 20)
    evidence = Evidence({"max": random.normal(size=50)}, {"max": test}, KINDS, tuple(map(str, range(40))))
    return Outcome(trial, "done", "", f"f00d{category}", evidence, Record(default_pool="max"))


def judged(outcomes: list[Outcome]) -> list[Verdict]:
    (threshold,) = Registry.discover().choose(Threshold, "mean")
    return [verdict for one in outcomes for verdict in judge(one, [threshold])]


def test_where_settings_are_alike_choosing_among_many_flatters() -> None:
    many = [outcome(f"{level / 10:g}", "tile", 1.0) for level in range(1, 13)]
    (board,) = boards(judged(many), "auroc")
    (sweep,) = sweeps_of(board, "auroc")
    assert (len(sweep.lines), sweep.options) == (12, ("level",))
    assert sweep.flattered is not None
    assert 0.0 < sweep.flattered < 0.15


def test_where_one_setting_is_far_better_choosing_it_flatters_by_nothing() -> None:
    few = [outcome("0.1", "tile", 6.0), outcome("0.2", "tile", 0.0), outcome("0.3", "tile", 0.0)]
    (sweep,) = sweeps_of(boards(judged(few), "auroc")[0], "auroc")
    assert sweep.flattered == 0
    assert sweep.best.method.model == "dae[level=0.1]"


def test_over_categories_each_is_judged_by_what_is_best_on_the_others() -> None:
    apart = {("0.1", "tile"): 9.0, ("0.2", "tile"): 0.0, ("0.3", "tile"): 1.0, ("0.1", "pill"): 0.0, ("0.2", "pill"): 9.0, ("0.3", "pill"): 1.0}  # fmt: skip
    mean, *_ = boards(judged([outcome(level, category, by) for (level, category), by in apart.items()]), "auroc")
    (sweep,) = sweeps_of(mean, "auroc")
    best, on = sweep.best, {part.verdicts[0].trial.category: part for part in sweep.best.parts}
    other = "0.2" if best.method.model == "dae[level=0.1]" else "0.1"
    (rival,) = [line for line in sweep.lines if line.method.model == f"dae[level={other}]"]
    nested = [min(one.mean("auroc"), two.mean("auroc")) for one, two in zip(best.parts, rival.parts, strict=True)]
    assert on.keys() == {"tile", "pill"}
    assert sweep.flattered == pytest.approx(best.mean("auroc") - np.mean(nested))


def test_what_cannot_be_known_is_said_and_not_guessed() -> None:
    few = judged([outcome(level, "tile", 2.0) for level in ("0.1", "0.2", "0.3")])
    bare = [type(one)(**{**vars(one), "images": type(one).__dataclass_fields__["images"].default}) for one in few]
    assert "is not known here" in render(leaderboard_document(bare), "md")


def test_words_two_rows_and_other_networks_are_methods_and_no_sweep() -> None:
    assert has_sweeps([("dae", "conv", "mse"), ("dae[level=0.1]", "conv", "mse"), ("dae[level=0.3]", "conv", "mse")])
    assert not has_sweeps([("dae", "conv", "mse"), ("dae[level=0.1]", "conv", "mse")])
    assert not has_sweeps(
        [("outlier[detector=a]", "conv", "-"), ("outlier[detector=b]", "conv", "-"), ("outlier", "conv", "-")]
    )
    assert not has_sweeps([(f"knn[level={n}]", f"timm[name=net{n}]", "-") for n in range(3)])


def test_names_that_are_no_spellings_make_no_sweep_and_are_no_error() -> None:
    odd = [("a [b", "conv", "mse"), ("dae[level=0.1]", "conv", "mse"), ("dae[level=0.2]", "conv", "mse")]
    assert not has_sweeps(odd)
    assert differing(odd[1:]) == ("level",)
    assert differing([odd[0], odd[1]]) == ("level",)
    assert differing([("dae[mode=fast]", "-", "-"), ("dae[mode=slow]", "-", "-")]) == (), "words are no numbers"


def test_settings_without_a_seed_in_common_are_not_judged_by_each_other() -> None:
    apart = [outcome(level, "tile", 2.0, seed) for seed, level in enumerate(("0.1", "0.2", "0.3"))]
    (sweep,) = sweeps_of(boards(judged(apart), "auroc")[0], "auroc")
    assert sweep.flattered is None
