"""What a model is handed says nothing of the answers, and what it changes reaches nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness import Images, Model, Scores
from harness.api import Ranking
from harness.commands import main
from harness.trials.handed import handed, read_only
from harness.trials.scoring import score

PLUGINS = Path(__file__).parents[1] / "plugin_files"


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def run(tmp_path: Path):
    def run(models: str, *words: str) -> dict[str, dict[str, object]]:
        plugins = [word for name in ("nosy", "dots") for word in ("--plugin", PLUGINS / f"{name}.py")]
        asked = ("--dataset", "dots", "--categories", "large", "--device", "cpu", "--jobs", "1", "--quiet")
        result = call(
            "run",
            "--no-floors",
            *plugins,
            *asked,
            "--store",
            tmp_path / "runs",
            "--format",
            "json",
            "--models",
            models,
            *words,
        )
        assert result.exit_code in (0, 3), result.output
        return {row["model"]: row for row in json.loads(result.stdout)}

    return run


@pytest.mark.parametrize("what", ["labels", "kinds", "masks", "names"])
def test_a_model_that_looks_for_labels_finds_none(run, what: str) -> None:
    model = f"nosy[looks_at={what}]"
    assert run(model)[model]["auroc"] == 0.5


def test_the_order_of_images_says_nothing(run) -> None:
    models = run("nosy[looks_at=order]", "--seeds", "0", "--thresholds", "highest")
    aurocs = [run("nosy[looks_at=order]", "--seeds", str(seed))["nosy[looks_at=order]"]["auroc"] for seed in range(8)]
    assert models
    assert min(aurocs) < 0.5 < max(aurocs) <= 1.0
    assert 0.2 < np.mean(aurocs) < 0.8


def test_counting_calls_across_chunks_says_nothing_of_which_images_come_last() -> None:
    class Counts(Model):
        name = "counts"
        seen = 0

        def fit(self, normal: Images, **parts: object) -> None:
            pass

        def score(self, images: Images) -> Scores:
            self.seen += len(images)
            return Scores(images=np.arange(self.seen - len(images), self.seen) * 1.0)

    defects = ("good",) * 150 + ("bad",) * 150  # more than two chunks of each, the good ones first
    images = Images(np.zeros((300, 4, 4, 3), np.uint8), tuple(map(str, range(300))), defects)
    for seed in range(5):
        scores, _ = score(Counts(), images, {}, seed=seed)
        assert abs(Ranking(scores["-"], images.labels).auroc() - 0.5) < 0.15


def test_scores_are_put_back_into_the_order_of_the_images(run) -> None:
    assert run("nosy,brightest")["brightest"]["auroc"] == 1.0


def test_a_model_that_writes_into_pixels_fails_and_the_next_one_scores_as_it_would_alone(run, tmp_path: Path) -> None:
    rows = run("nosy[looks_at=pixels to write],mean_image")
    bad = rows["nosy[looks_at=pixels to write]"]
    assert bad["status"] == "error"
    assert "read-only" in bad["reason"]
    alone = run("mean_image", "--store", str(tmp_path / "alone"))
    assert rows["mean_image"]["limit"] == alone["mean_image"]["limit"]


def test_a_threshold_that_is_given_labels_is_an_oracle_whatever_it_says(run) -> None:
    assert run("mean_image", "--thresholds", "hidden")["mean_image"]["oracle"] is True


def test_what_is_handed_is_not_copied_and_cannot_be_made_writable() -> None:
    pixels = np.zeros((3, 4, 4, 3), np.uint8)
    given = handed(Images(pixels, ("a", "b", "c"), ("good", "bad", "bad"), np.ones((3, 4, 4), np.uint8)))
    assert np.shares_memory(given.pixels, pixels)
    assert (given.masks, given.labels.any(), given.paths) == (None, False, ("image 0", "image 1", "image 2"))
    with pytest.raises(ValueError, match="WRITEABLE"):
        given.pixels.setflags(write=True)
    assert read_only(pixels[::2]).shape == (2, 4, 4, 3)
    assert len(handed(Images(pixels[:0], ()))) == 0


@pytest.mark.parametrize("what", ["labels", "kinds", "masks", "names", "order", "calls"])
def test_the_kit_finds_a_model_that_looks_at_anything_but_the_pixels(what: str) -> None:
    result = call("check", f"nosy[looks_at={what}]", "--plugin", PLUGINS / "nosy.py")
    assert result.exit_code != 0
    check = "score_does_not_depend_on_batch" if what in ("order", "calls") else "score_does_not_depend_on_labels"
    assert check in result.output
