"""Pools are parts: a stranger's is scored, kept, judged, predicted with and packed, or it is said why not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness import Pool
from harness.commands import main
from harness.deployment.loading import load
from harness.plugin.registry import Registry
from harness.testing import attempt, checks_for
from harness.trials.store import Store

PLUGIN = '''
from dataclasses import dataclass
import numpy as np
from harness import Model, Pool, Scores, hookimpl

FITS = {fits!r}

@dataclass
class Power(Pool):
    """The generalised mean."""
    name = "power"
    licence = "MIT"
    exponent: float = 2.0
    def score(self, maps):
        return (maps.astype(np.float64) ** self.exponent).mean(axis=(1, 2)) ** (1 / self.exponent)
    def tensor(self, maps):
        return (maps ** self.exponent).mean(dim=(1, 2)) ** (1 / self.exponent)

class Median(Pool):
    """Has no torch form."""
    name = "upper"
    def score(self, maps):
        return np.quantile(maps.reshape(len(maps), -1), 0.99, axis=1)

class Broken(Pool):
    name = "broken"
    def score(self, maps):
        raise RuntimeError("no such thing")

class Short(Pool):
    name = "short"
    def score(self, maps):
        return maps.mean(axis=(1, 2))[:-1]

class Distance(Model):
    """Squared distance to the mean image."""
    name = "distance"
    uses = frozenset({{"pool"}})
    default_pool = "power"
    def fit(self, normal, *, encoder, loss, run):
        with open(FITS, "a") as file:
            file.write("fit ")
        self.centre = (normal.pixels.mean(axis=0) / 255).astype(np.float32)
    def score(self, images):
        return Scores(maps=((images.pixels / np.float32(255) - self.centre) ** 2).mean(axis=3))
    def network(self):
        import torch
        class Net(torch.nn.Module):
            def __init__(self, centre):
                super().__init__()
                self.register_buffer("centre", torch.tensor(centre).permute(2, 0, 1))
            def forward(self, images):
                return ((images - self.centre) ** 2).mean(dim=1)
        return Net(self.centre)

class Plain(Distance):
    name = "plain"
    default_pool = "mean"

@hookimpl
def harness_models(): return [Distance, Plain]
@hookimpl
def harness_pools(): return [Power, Median, Broken, Short]
'''


class Place:
    """A folder with a plugin, a store, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.plugin = folder, folder / "runs", folder / "pools.py"
        self.plugin.write_text(PLUGIN.format(fits=str(folder / "fits.txt")))

    def call(self, command: str, *arguments: object, plugin: bool = True) -> Result:
        common = ["--store", self.store, *(["--plugin", self.plugin] if plugin else [])]
        return CliRunner().invoke(main, [command, *map(str, (*arguments, *common))])

    def run(self, *arguments: object, code: int = 0) -> Result:
        settings = ("--image-size", 16, "--dataset", "synthetic[n_train=4,n_test_good=3,n_test_defective=4]")
        done = self.call(
            "run", "--no-floors", "--models", "plain", "--categories", "pill", "--jobs", 1, *settings, *arguments
        )
        assert done.exit_code == code, done.output
        return done

    @property
    def fits(self) -> int:
        return (self.folder / "fits.txt").read_text().count("fit")

    def evidence(self) -> dict[str, np.ndarray]:
        with Store(self.store) as store:
            (outcome,) = store.outcomes()
            assert outcome.evidence is not None
            return dict(outcome.evidence.test)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def rows(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(result.stdout.splitlines()))


def test_a_trial_keeps_the_built_in_pools_and_those_that_were_asked_for(place: Place) -> None:
    done = place.run("--pools", "power,topk[share=0.5]", "--format", "csv")
    assert {row["pool"] for row in rows(done)} == {"power", "topk[share=0.5]"}
    assert set(place.evidence()) == {"mean", "max", "topk", "power", "topk[share=0.5]"}
    with Store(place.store) as store:
        (outcome,) = store.outcomes()
    assert outcome.record.pools.keys() == {"power"}, "who offers a stranger's pool is in the record"


def test_a_model_may_suit_a_pool_of_its_own_plugin(place: Place) -> None:
    done = place.run("--models", "distance", "--format", "csv")
    assert [row["pool"] for row in rows(done)] == ["power"]


def test_the_id_of_a_trial_does_not_depend_on_pools(place: Place) -> None:
    first = rows(place.run("--format", "csv"))
    again = rows(place.run("--pools", "power", "--format", "csv"))
    assert [row["trial"] for row in first] == [row["trial"] for row in again]


def test_a_pool_that_is_not_stored_is_one_line_that_says_which_command_scores_it(place: Place) -> None:
    place.run()
    found = place.call("leaderboard", "--pools", "mean,power")
    assert found.exit_code == 0
    assert "it was not scored by pool power" in " ".join(found.stdout.split())
    assert "harness run --pools power" in " ".join(found.stdout.split())


def test_a_pool_asked_for_later_costs_one_fit_which_is_said_and_leaves_other_scores_alone(place: Place) -> None:
    place.run()
    before = place.evidence()
    again = place.run("--pools", "power")
    assert place.fits == 2
    assert "1 fitted (1 of them again, for pool power), 0 already there" in again.stderr
    assert "apart" not in again.stderr
    assert all(np.array_equal(before[pool], place.evidence()[pool]) for pool in before)
    assert "0 fitted, 1 already there" in place.run("--pools", "power,mean").stderr
    assert place.fits == 2
    assert {row["pool"] for row in rows(place.call("leaderboard", "--pools", "all", "--format", "csv"))} == {
        "max", "mean", "power", "topk"
    }  # fmt: skip


def test_what_a_pool_has_scored_stays_when_its_plugin_goes(place: Place) -> None:
    place.run("--pools", "power")
    found = place.call("leaderboard", "--pools", "all", "--format", "csv", plugin=False)
    assert "power" in {row["pool"] for row in rows(found)}


@pytest.mark.parametrize(
    ("pool", "reason"),
    [("broken", "pool broken: RuntimeError: no such thing"), ("short", "pool short gave scores of shape")],
)
def test_a_pool_that_fails_costs_no_trial_and_its_reason_is_shown(place: Place, pool: str, reason: str) -> None:
    done = place.run("--pools", f"mean,{pool}", code=3)
    assert set(place.evidence()) == {"mean", "max", "topk"}
    assert reason in " ".join(done.stdout.split())


def test_an_unknown_pool_and_a_bad_option_are_refused_with_what_was_expected(place: Place) -> None:
    for text, reason in (("powr", "Did you mean 'power'?"), ("topk[share=2]", "share is 2, expected more than 0")):
        refused = place.call("run", "--no-floors", "--pools", text)
        assert refused.exit_code == 2
        assert reason in refused.stderr


def test_a_strangers_pool_scores_alike_in_predict_and_in_watch(place: Place) -> None:
    place.run("--pools", "power,upper", "--keep-models")
    (model,) = (place.store / "models").iterdir()
    detector = load(model, Registry.discover([place.plugin]))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    maps = detector.model.score(type("", (), {"pixels": pixels})).maps
    assert detector.pool == "power"
    assert np.allclose(detector.decide(pixels).scores, np.sqrt((maps**2).mean(axis=(1, 2))), rtol=1e-6)
    assert detector._graph is not None
    assert np.allclose(detector.decide_at_once(pixels).scores, detector.decide(pixels).scores, rtol=1e-5)
    images = place.folder / "images"
    images.mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(images / f"{number}.png")
    said = place.call("predict", model, images, "--format", "json")
    scores = [json.loads(line)["score"] for line in said.stdout.splitlines()]
    assert scores == pytest.approx(detector.decide(pixels).scores.tolist())


def test_a_pool_without_a_torch_form_is_predicted_with_and_refused_by_pack_in_one_line(place: Place) -> None:
    place.run("--pools", "upper", "--keep-models")
    (model,) = (place.store / "models").iterdir()
    detector = load(model, Registry.discover([place.plugin]))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert np.array_equal(detector.decide_at_once(pixels).scores, detector.decide(pixels).scores)
    images = place.folder / "images"
    images.mkdir()
    Image.fromarray(pixels[0]).save(images / "0.png")
    refused = place.call("pack", model, "--images", images, "--format", "onnx", "--out", place.folder / "line.onnx")
    assert refused.exit_code == 2
    assert "pool 'upper' cannot be packed, for it has no torch form" in refused.stderr
    assert not (place.folder / "line.onnx").exists()


def test_a_kept_model_whose_pool_is_gone_says_which_plugin_it_needs(place: Place) -> None:
    place.run("--pools", "power", "--keep-models")
    (model,) = (place.store / "models").iterdir()
    refused = place.call("predict", model, place.folder, plugin=False)
    assert refused.exit_code == 2
    assert place.plugin.name in refused.stderr


class Backwards(Pool):
    name = "backwards"

    def score(self, maps: np.ndarray) -> np.ndarray:
        return -maps.mean(axis=(1, 2))


class OfTheBatch(Pool):
    name = "of_the_batch"

    def score(self, maps: np.ndarray) -> np.ndarray:
        return maps.mean(axis=(1, 2)) / maps.max()


class WritesInto(Pool):
    name = "writes_into"

    def score(self, maps: np.ndarray) -> np.ndarray:
        maps -= maps.min()
        return maps.mean(axis=(1, 2))


class TorchFormDiffers(Pool):
    name = "torch_form_differs"

    def score(self, maps: np.ndarray) -> np.ndarray:
        return maps.mean(axis=(1, 2))

    def tensor(self, maps):
        return maps.flatten(1).amax(dim=1)


@pytest.mark.parametrize(
    ("pool", "check"),
    [
        (Backwards, "check_defects_score_above_normal"),
        (OfTheBatch, "check_score_does_not_depend_on_other_maps"),
        (WritesInto, "check_leaves_maps_unchanged"),
        (TorchFormDiffers, "check_torch_form_scores_alike"),
    ],
)
def test_the_kit_finds_a_pool_that_breaks_the_contract(pool: type[Pool], check: str) -> None:
    part = pool()
    failed = {one.__name__ for one in checks_for(part) if attempt(one, part).status == "failed"}
    assert check in failed
