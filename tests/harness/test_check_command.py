"""`harness check`, as a person without pytest uses it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from harness.commands import main

PLUGIN = """
import numpy as np
from harness import Dataset, Model, Scores, Threshold, UnavailableError, hookimpl


class Glow(Model):
    name = "glow"
    uses = frozenset({"pool"})
    default_pool = "max"

    def fit(self, normal, *, encoder, loss, run):
        self.centre = normal.pixels.mean(axis=(0, 1, 2))

    def score(self, images):
        return Scores(maps=np.abs(images.pixels - self.centre).mean(axis=3))


class Fixed(Threshold):
    name = "fixed"

    def fit(self, normal):
        return 0.5


class GlowThreshold(Threshold):
    name = "glow"

    def fit(self, normal):
        return float(normal.max())


class Tiles(Dataset):
    name = "tiles"
    layout = "ROOT/tile/*.png"

    def categories(self):
        return tuple(sorted(folder.name for folder in self.root.iterdir()))

    def load(self, category, image_size):
        raise UnavailableError(f"no decoder for {self.root.name}")


@hookimpl
def harness_models():
    return [Glow]


@hookimpl
def harness_thresholds():
    return [Fixed, GlowThreshold]


@hookimpl
def harness_datasets():
    return [Tiles]
"""


@pytest.fixture
def check(tmp_path):
    file = tmp_path / "glow.py"
    file.write_text(PLUGIN)
    return lambda *arguments: CliRunner().invoke(main, ["check", *arguments, "--plugin", str(file)])


def test_a_right_part_has_a_line_a_check_and_ends_well(check):
    result = check("model:glow")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "passed   glow  check_score_does_not_depend_on_batch" in lines
    assert all(line.startswith("passed ") for line in lines[:-1])
    assert lines[-1] == f"{len(lines) - 1} passed, 0 failed, 0 skipped"


def test_a_wrong_part_says_why_and_ends_with_one(check):
    result = check("fixed")
    assert result.exit_code == 1
    assert "failed   fixed  check_limit_moves_with_the_scores: scores from" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("1 failed, 0 skipped")


def test_a_name_that_two_kinds_share_means_both(check):
    result = check("glow")
    assert result.exit_code == 0
    assert "glow  check_refit_forgets" in result.stdout
    assert "glow  check_limit_moves_with_the_scores" in result.stdout


def test_several_names_are_checked_in_turn(check):
    result = check("model:glow", "fixed")
    assert result.exit_code == 1
    assert "glow  check_refit_forgets" in result.stdout
    assert "fixed  check_limit_moves_with_the_scores" in result.stdout


def test_a_data_set_without_its_root_is_skipped_with_the_reason(check, tmp_path):
    result = check("tiles")
    assert result.exit_code == 0
    assert "skipped  tiles  check_order_is_stable: no data root was given" in result.stdout
    assert "laid out as ROOT/tile/*.png" in result.stdout
    (tmp_path / "data" / "tile").mkdir(parents=True)
    result = check("tiles", "--data-root", str(tmp_path / "data"))
    assert "passed   tiles  check_categories_are_sorted_and_unique" in result.stdout
    assert "skipped  tiles  check_order_is_stable: no decoder for data" in result.stdout


def test_a_broken_plugin_is_named_and_the_others_are_checked(check, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    result = check("model:glow", "--plugin", str(tmp_path / "broken.py"))
    assert result.exit_code == 0
    assert "broken.py" in result.stderr
    assert "is broken: cannot be imported: ModuleNotFoundError" in result.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("glwo", "no part 'glwo'. Did you mean 'glow'?"),
        ("modle:glow", "no kind 'modle'. Did you mean 'model'?"),
        ("threshold:tiles", "no threshold 'tiles'."),
        ("glow[level=2]", "model 'glow': no option 'level'."),
        ("glow[", "'glow[' is not a part"),
    ],
)
def test_a_name_that_means_nothing_is_one_line_and_exit_code_two(check, name, said):
    result = check(name)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
