"""Each convention against its definition: scikit-learn, scipy, or a reference that counts one thing at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage, stats
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

import harness
from harness.api import Region
from harness.commands import main
from harness.conventions.stored import clamped, pixel_figures, without_normal
from harness.metrics.pixel import PixelMetrics, Regions
from harness.metrics.ranks import rank_correlation, swapped_pairs

Rows = dict[tuple[str, str, str], dict[str, float]]


def exact_aupro(
    maps: np.ndarray, masks: np.ndarray, max_fpr: float = 0.3, neighbours: int = 8, saturation: float = 1.0
) -> float:
    """By its definition: every distinct score is a limit, and a region counts by min(found, enough) / enough."""
    structure = np.ones((3, 3)) if neighbours == 8 else None
    regions = []
    for scores, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, structure=structure)
        regions += [scores[labels == k] for k in range(1, count + 1)]
    normal = maps[masks == 0]
    fpr, found = [0.0], [0.0]
    for limit in np.unique(maps)[::-1]:
        fpr.append(float((normal >= limit).mean()))
        shares = [min((region >= limit).sum() / (saturation * region.size), 1) for region in regions]
        found.append(float(np.mean(shares)))
    last = int(np.searchsorted(fpr, max_fpr, side="right"))
    end = np.interp(max_fpr, fpr[last - 1 : last + 1], found[last - 1 : last + 1])
    x, y = np.append(fpr[:last], max_fpr), np.append(found[:last], end)
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / max_fpr)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps with ties, and masks whose regions touch at corners; the first image is normal."""
    rng = np.random.default_rng(seed)
    masks = (rng.random((4, 12, 12)) < 0.3).astype(np.uint8)
    masks[0] = 0
    maps = np.round(rng.random((4, 12, 12)) + 0.3 * masks, 2)
    return maps, masks


@given(
    st.integers(0, 10_000),
    st.sampled_from([4, 8]),
    st.sampled_from([0.1, 0.5, 0.77, 1.0]),
    st.sampled_from([0.05, 0.3]),
)
@settings(max_examples=20, deadline=None)
def test_regions_and_saturation_are_what_their_definition_gives(
    seed: int, neighbours: int, saturation: float, max_fpr: float
) -> None:
    maps, masks = drawn(seed)
    metrics = PixelMetrics(regions=Regions(neighbours, saturation))
    metrics.update(maps, masks)
    assert metrics.aupro(max_fpr) == pytest.approx(exact_aupro(maps, masks, max_fpr, neighbours, saturation), abs=1e-4)


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.3]))
@settings(max_examples=20, deadline=None)
def test_defects_that_were_annotated_apart_saturate_each_at_its_own_area(seed: int, max_fpr: float) -> None:
    rng = np.random.default_rng(seed)
    maps = np.round(rng.random((3, 12, 12)), 2)
    regions = [[Region(rng.random((12, 12)) < 0.2, float(rng.uniform(0.5, 200))) for _ in range(2)] for _ in maps]
    regions[1] = [Region(np.zeros((12, 12), dtype=bool), 5.0)]  # lost when the mask was reduced
    masks = np.stack([np.any([region.mask for region in some], axis=0) for some in regions])
    metrics = PixelMetrics()
    metrics.update(maps, masks, regions=regions)
    normal = maps[~masks]
    fpr, found = [0.0], [0.0]
    for limit in np.unique(maps)[::-1]:
        fpr.append(float((normal >= limit).mean()))
        shares = [
            min((scores[mask] >= limit).sum() / min(enough, mask.sum()), 1)
            for scores, some in zip(maps, regions, strict=True)
            for mask, enough in some
            if mask.any()
        ]
        found.append(float(np.mean(shares)))
    last = int(np.searchsorted(fpr, max_fpr, side="right"))
    x, y = np.append(fpr[:last], max_fpr), np.append(found[:last], np.interp(max_fpr, fpr, found))
    assert metrics.aupro(max_fpr) == pytest.approx(np.trapezoid(y, x) / max_fpr, abs=1e-4)


@pytest.mark.parametrize("wrong", [{"connectivity": 6}, {"saturation": 0.0}, {"saturation": 1.5}])
def test_regions_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Regions(**wrong)  # type: ignore[arg-type]


@given(st.integers(0, 10_000), st.integers(0, 140))
@settings(max_examples=20, deadline=None)
def test_pixel_counts_tell_clamped_maps_and_defective_images_alone(seed: int, hundredths: int) -> None:
    maps, masks = drawn(seed)
    highest = hundredths / 100
    metrics = PixelMetrics()
    metrics.update(maps, masks, ["good", "hole", "hole", "crack"])
    evidence = metrics.evidence()
    for shown, marked, counts in (
        (maps[1:], masks[1:], without_normal(evidence)),
        (np.minimum(maps, highest), masks, clamped(evidence.counts(), highest)),
    ):
        labels, scores = marked.ravel(), shown.ravel()
        found = pixel_figures(counts)
        assert found["pixel_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)
        assert found["pixel_average_precision"] == pytest.approx(average_precision_score(labels, scores), abs=1e-4)
        assert found["aupro"] == pytest.approx(exact_aupro(shown, marked), abs=1e-4)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=9))
@settings(deadline=None)
def test_orders_are_compared_as_scipy_does(pairs: list[tuple[int, int]]) -> None:
    first, second = ([float(value) for value in side] for side in zip(*pairs, strict=True))
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(first, second).statistic)
    opposite = [(a - b) * (c - d) < 0 for i, (a, c) in enumerate(pairs) for b, d in pairs[i + 1 :]]
    assert swapped_pairs(first, second) == sum(opposite)


SIZE, FILES = 32, 48
DOTS = Path(__file__).parents[1] / "plugin_files" / "dots.py"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods and their kept models, on images that are half as large again as the models take."""
    folder = tmp_path_factory.mktemp("conventions")
    rng = np.random.default_rng(4)
    for part, images in (("train/good", 6), ("test/good", 4), ("test/hole", 4), ("test/crack", 3)):
        place = folder / "parts" / "plate" / part
        place.mkdir(parents=True)
        for index in range(images):
            pixels = rng.integers(90, 120, (FILES, FILES, 3), dtype=np.uint8)
            if part.endswith(("hole", "crack")):
                mask = np.zeros((FILES, FILES), np.uint8)
                at = rng.integers(2, FILES - 16, 2)
                mask[at[0] : at[0] + 9, at[1] : at[1] + 9] = 255
                mask[at[0] + 9 : at[0] + 14, at[1] + 9 : at[1] + 14] = 255  # touches it at a corner
                pixels[mask > 0] += rng.integers(0, 40, dtype=np.uint8)
                marks = folder / "parts" / "plate" / "ground_truth" / place.name
                marks.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(marks / f"{index}.png")
            Image.fromarray(pixels).save(place / f"{index}.png")
    common = f"--store {folder / 'runs'} --data-root {folder / 'parts'} --dataset folder --image-size {SIZE}".split()
    models = ["--models", "mean_image,mean_image[gain=3],brightest", "--plugin", str(DOTS), "--device", "cpu"]
    done = CliRunner().invoke(main, ["run", "--no-floors", *common, *models, "--jobs", "1", "--keep-models"])
    assert done.exit_code == 0, done.output
    return folder


def call(folder: Path, *words: str, images: bool = True, plugin: Path = DOTS) -> str:
    root = ["--data-root", str(folder / "parts")] if images else []
    common = ["conventions", "--store", str(folder / "runs"), "--plugin", str(plugin), "--device", "cpu"]
    done = CliRunner().invoke(main, [*common, *root, *words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def under(bench: Path) -> Rows:
    """Figures by model and convention, as `--format json` has them."""
    found: Rows = {}
    for row in json.loads(call(bench, "--format", "json")):
        found.setdefault((row["model"], row["convention"], row["choice"]), {})[row["figure"]] = row["value"]
    return found


@pytest.fixture(scope="module")
def maps(bench: Path) -> Mapping[str, np.ndarray]:
    """What the kept model makes of the test images, asked for one at a time, with the masks as files have them."""
    (kept,) = (bench / "runs" / "models").glob("*-mean_image-seed0-*")
    loaded = harness.load(kept, plugins=[DOTS])
    files = sorted((bench / "parts" / "plate" / "test").rglob("*.png"))
    marks = [bench / "parts" / "plate" / "ground_truth" / file.parent.name / file.name for file in files]
    large = [np.asarray(Image.open(m)) if m.exists() else np.zeros((FILES, FILES), np.uint8) for m in marks]
    return {
        "maps": np.stack([loaded.predict(file).map for file in files]),
        "masks": np.stack([resized(mask, SIZE, Image.Resampling.NEAREST) for mask in large]) > 0,
        "soft": np.stack([resized(mask, SIZE, Image.Resampling.BILINEAR) for mask in large]),
        "files": np.stack(large) > 0,
        "labels": np.array([file.parent.name != "good" for file in files]),
    }


def resized(picture: np.ndarray, size: int, by: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((size, size), by))


def centre(stack: np.ndarray) -> np.ndarray:
    return stack[:, 2:30, 2:30]  # 28 of 32, as 224 of 256


VIEWS: dict[tuple[str, str], Callable[[Mapping[str, np.ndarray]], tuple[np.ndarray, np.ndarray]]] = {
    ("mask", "above 0 after bilinear reduction"): lambda m: (m["maps"], m["soft"] > 0),
    ("mask", "above half after bilinear reduction"): lambda m: (m["maps"], m["soft"] >= 128),
    ("error map", "its centre, as 224 of 256"): lambda m: (centre(m["maps"]), centre(m["masks"])),
    ("error map", "enlarged to the files' size"): lambda m: (
        np.stack([resized(one.astype(np.float32), FILES, Image.Resampling.BILINEAR) for one in m["maps"]]),
        m["files"],
    ),
    ("smoothing", "a Gaussian of 4 pixels more"): lambda m: (
        np.stack([ndimage.gaussian_filter(one.astype(np.float32), 4) for one in m["maps"]]),
        m["masks"],
    ),
}


@pytest.mark.parametrize("convention", VIEWS, ids=lambda convention: convention[1])
def test_a_convention_of_error_maps_is_what_its_maps_and_masks_give(convention, under: Rows, maps) -> None:
    shown, marked = VIEWS[convention](maps)
    found = under["mean_image", *convention]
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(marked.ravel(), shown.ravel()), abs=1e-4)
    precision = average_precision_score(marked.ravel(), shown.ravel())
    assert found["pixel_average_precision"] == pytest.approx(precision, abs=1e-4)
    assert found["aupro"] == pytest.approx(exact_aupro(shown, marked.astype(np.uint8)), abs=1e-4)
    if convention[0] != "mask":
        assert found["auroc"] == pytest.approx(roc_auc_score(maps["labels"], shown.mean(axis=(1, 2))))


@pytest.mark.parametrize(
    ("axis", "options"),
    [("regions", {"neighbours": 4}), ("a region is found", {"saturation": 0.5}), ("AUPRO up to", {"max_fpr": 0.05})],
)
def test_a_convention_of_regions_moves_aupro_alone(axis: str, options: dict[str, float], under: Rows, maps) -> None:
    (found,) = (figures for (model, name, _), figures in under.items() if (model, name) == ("mean_image", axis))
    assert found == {"aupro": pytest.approx(exact_aupro(maps["maps"], maps["masks"], **options), abs=1e-4)}


def test_conventions_of_image_scores_are_what_scikit_learn_makes_of_them(bench: Path, under: Rows, maps) -> None:
    from harness.trials.store import Store

    with Store(bench / "runs") as store:
        (outcome,) = (o for o in store.outcomes() if o.trial.model == "mean_image")
    evidence = outcome.evidence
    assert evidence is not None
    normal, labels = evidence.normal["mean"], evidence.labels
    largest = under["mean_image", "image score", "max"]
    assert largest["auroc"] == pytest.approx(roc_auc_score(labels, evidence.test["max"]))
    called = evidence.test["max"] > evidence.normal["max"].mean()
    assert largest["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, called))
    clipped = np.clip(evidence.test["mean"], normal.min(), normal.max())
    tied = under["mean_image", "scores", "clamped to the range of calibration images"]
    assert tied["auroc"] == pytest.approx(roc_auc_score(labels, clipped))
    highest = np.minimum(maps["maps"], evidence.normal["max"].max())
    assert tied["pixel_auroc"] == pytest.approx(roc_auc_score(maps["masks"].ravel(), highest.ravel()), abs=1e-4)
    by_quantile = under["mean_image", "limit", "quantile"]
    called = evidence.test["mean"] > np.quantile(normal, 0.95)
    assert by_quantile["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, called))
    assert any(choice.endswith("which sees test labels") for _, axis, choice in under if axis == "limit")


def test_effects_can_be_worked_out_again_from_the_rows(bench: Path) -> None:
    groups: dict[tuple[str, ...], list[dict[str, float]]] = {}
    for row in json.loads(call(bench, "--format", "json")):
        groups.setdefault((row["convention"], row["choice"], row["figure"]), []).append(row)
    assert len(groups) > 20
    for rows in groups.values():
        before, after = [row["usual"] for row in rows], [row["value"] for row in rows]
        assert all(row["change"] == pytest.approx(row["value"] - row["usual"]) for row in rows)
        if len(set(before)) > 1 and len(set(after)) > 1 and len(rows) > 2:
            assert rows[0]["rank_correlation"] == pytest.approx(stats.spearmanr(before, after).statistic)


def test_what_cannot_be_told_is_said_with_the_reason(bench: Path) -> None:
    shown = " ".join(call(bench, "--format", "md").split())
    assert "brightest makes no error maps" in shown
    assert "the checkpoint chosen by test labels" in shown
    without = " ".join(call(bench, "--format", "md", images=False).split())
    assert "the images are not at hand (--data-root)" in without
    assert "Gaussian" not in without


def test_a_kept_model_that_scores_otherwise_than_its_trial_is_said(bench: Path, tmp_path: Path) -> None:
    changed = tmp_path / "dots.py"
    changed.write_text(DOTS.read_text().replace("self.centre) ** 2).mean(axis=3))", "self.centre) ** 4).mean(axis=3))"))
    assert "its kept model gives other scores than the stored ones" in call(bench, "--format", "md", plugin=changed)


def test_compare_says_by_which_convention_a_number_is_reached_and_what_chance_would_reach(bench: Path) -> None:
    with_max = {
        row["model"]: row["value"]
        for row in json.loads(call(bench, "--format", "json", images=False))
        if (row["convention"], row["choice"], row["figure"]) == ("image score", "max", "auroc")
    }
    theirs = bench / "theirs.csv"
    lines = [f"folder,plate,{model},4,7,{value:.4f}" for model, value in with_max.items() if model == "mean_image"]
    theirs.write_text("\n".join(["dataset,category,model,n_normal,n_abnormal,auroc", *lines]) + "\n")
    words = ["compare", "--against", str(theirs), "--store", str(bench / "runs"), "--plugin", str(DOTS)]
    done = CliRunner().invoke(main, [*words, "--conventions", "--format", "md"])
    assert done.exit_code == 0, done.output
    assert "under some convention" in done.stdout
    assert "image score: max" in done.stdout
    plain = CliRunner().invoke(main, [*words, "--format", "md"])
    assert "under some convention" not in plain.stdout


def pushpins(folder: Path, config: str) -> Path:
    """MVTec LOCO's layout, with two defects on one image: a pin that is missing, and a small one."""
    rng = np.random.default_rng(7)
    category = folder / "data" / "pushpins"
    for part, images in (("train/good", 4), ("validation/good", 2), ("test/good", 3), ("test/logical_anomalies", 3)):
        for index in range(images):
            file = category / part / f"{index:03}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(90, 160, (FILES, FILES, 3), dtype=np.uint8)).save(file)
            if "anomalies" in part:
                for number, (value, side) in enumerate(((255, 24), (254, 6))):
                    mask = np.zeros((FILES, FILES), np.uint8)
                    mask[number * 30 : number * 30 + side, 3 : 3 + side] = value
                    marks = category / "ground_truth" / "logical_anomalies" / f"{index:03}" / f"{number:03}.png"
                    marks.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(marks)
    (category / "defects_config.json").write_text(config)
    words = f"--dataset mvtec_loco --data-root {folder / 'data'} --image-size {SIZE} --store {folder / 'runs'}".split()
    done = CliRunner().invoke(
        main,
        ["run", "--no-floors", *words, "--models", "mean_image", "--plugin", str(DOTS), "--jobs", "1", "--keep-models"],
    )
    assert done.exit_code == 0, done.output
    return folder


def test_loco_s_defects_count_as_found_by_the_areas_that_it_states(tmp_path: Path) -> None:
    config = [
        {"defect_name": "missing_pin", "pixel_value": 255, "saturation_threshold": 144, "relative_saturation": False},
        {"defect_name": "small", "pixel_value": 254, "saturation_threshold": 1.0, "relative_saturation": True},
    ]
    folder = pushpins(tmp_path, json.dumps(config))
    done = CliRunner().invoke(
        main,
        f"conventions --store {folder / 'runs'} --data-root {folder / 'data'} --plugin {DOTS} --format json".split(),
    )
    rows = [row for row in json.loads(done.stdout) if row["choice"] == "by the area that the data set states (sPRO)"]
    assert [row["figure"] for row in rows] == ["aupro"]
    (kept,) = (folder / "runs" / "models").iterdir()
    loaded = harness.load(kept, plugins=[DOTS])
    regions, maps = [], []
    for file in sorted((folder / "data/pushpins/test").rglob("*.png")):
        maps.append(loaded.predict(file).map)
        marks = sorted((folder / "data/pushpins/ground_truth" / file.parent.name / file.stem).glob("*.png"))
        reduced = [resized(np.asarray(Image.open(mark)), SIZE, Image.Resampling.NEAREST) > 0 for mark in marks]
        # a quarter of the missing pin, as 144 of 24 x 24 pixels of the file are, and all of the small one
        regions.append([Region(mask, mask.sum() * share) for mask, share in zip(reduced, (0.25, 1.0), strict=False)])
    metrics = PixelMetrics()
    masks = np.stack([np.any([r.mask for r in some] or [np.zeros((SIZE, SIZE), bool)], axis=0) for some in regions])
    metrics.update(np.stack(maps), masks, regions=regions)
    assert rows[0]["value"] == pytest.approx(metrics.aupro(), abs=1e-6)
    assert rows[0]["value"] != pytest.approx(rows[0]["usual"], abs=1e-3)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[", "is not MVTec LOCO's"),
        ("[]", "has the grey value 255: defects_config.json says nothing of it, but of none"),
        ('[{"pixel_value": 255, "saturation_threshold": 0, "relative_saturation": true}]', "is not above 0"),
    ],
)
def test_areas_that_cannot_be_read_are_said_and_the_other_conventions_go_on(
    tmp_path: Path, config: str, said: str
) -> None:
    folder = pushpins(tmp_path, config)
    words = f"conventions --store {folder / 'runs'} --data-root {folder / 'data'} --plugin {DOTS}"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0, done.output
    assert said in " ".join(done.output.split())
    assert "by half of it (sPRO)" in " ".join(done.output.split())


@pytest.mark.parametrize("saturation", [0.0, -0.5, 1.5])
def test_a_saturation_that_is_no_share_is_refused(saturation: float) -> None:
    with pytest.raises(ValueError, match="expected a share above 0 and at most 1"):
        Regions(saturation=saturation)


def test_pixels_touch_in_four_or_eight_directions_and_in_no_other_number() -> None:
    with pytest.raises(ValueError, match="connectivity is 6, expected 4 or 8"):
        Regions(6)


def test_a_trial_is_judged_by_the_pool_that_suits_its_model_and_by_one_threshold_where_that_came_about() -> None:
    from harness.api import Threshold
    from harness.conventions.stored import of_verdicts, usual_verdict
    from harness.plugin.registry import Registry
    from harness.trials.record import Record
    from harness.trials.trial import Evidence, Outcome, Trial
    from harness.verdicts.judging import judge

    scores = np.array([0.0, 3.0, 2.0, 4.0])
    evidence = Evidence(
        {"max": np.arange(3.0), "mean": np.arange(3.0) + 9},
        {"max": scores, "mean": scores + 9},
        ("good", "good", "hole", "hole"),
        tuple("abcd"),
    )
    trial = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
    outcome = Outcome(trial, "done", "", "f00d", evidence, Record(default_pool="max"))
    every = list(judge(outcome, Registry.discover().choose(Threshold, "quantile,mean"), ["max", "mean"]))
    usual = usual_verdict(every, "mean")
    assert usual is not None
    assert (usual.pool, usual.threshold) == ("max", "mean")
    assert usual_verdict(every, "conformal") is None
    assert usual_verdict([], "mean") is None
    failed = [replace(one, status="error", reason="no limit") for one in every]
    assert usual_verdict(failed, "mean") is None
    found = [(convention.axis, convention.choice, list(figures)) for convention, figures in of_verdicts(every, usual)]
    decided = ["normal_rate", "abnormal_rate", "accuracy", "balanced_accuracy", "f1"]
    of_pool = ("image score", "mean", [*decided, "auroc", "average_precision"])
    assert sorted(found) == [of_pool, ("limit", "quantile", decided)], "another pool or another limit, one at a time"
    assert list(of_verdicts(failed, usual)) == []
