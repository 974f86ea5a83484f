"""`--resize`, `--tiles` and `--overlap`: images that are larger than a network or not square, from files to verdicts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness.commands import main
from harness.errors import UsageError
from harness.report.progress import ending
from harness.trials.protocols.axes import crossed
from harness.trials.settings import Settings
from harness.trials.store import Store
from harness.trials.trial import named

Call = Callable[..., Result]
METHOD = ("--models", "gaussian", "--encoders", "conv")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey noise of 96x64 pixels, one image of 64x48 among them, and dents of 12 pixels."""
    root = tmp_path_factory.mktemp("data") / "parts"
    random = np.random.default_rng(0)
    for name in ("train/good", "test/good", "test/dent", "ground_truth/dent"):
        (root / name).mkdir(parents=True)
    for index in range(6):
        height, width = (48, 64) if index == 5 else (64, 96)
        Image.fromarray(random.integers(90, 110, (height, width, 3), np.uint8)).save(root / f"train/good/{index}.png")
    for index in range(4):
        pixels, mask = random.integers(90, 110, (64, 96, 3), np.uint8), np.zeros((64, 96), np.uint8)
        if index % 2:
            pixels[20:32, 70:82], mask[20:32, 70:82] = 250, 255
            Image.fromarray(mask).save(root / f"ground_truth/dent/{index}_mask.png")
        Image.fromarray(pixels).save(root / f"test/{'dent' if index % 2 else 'good'}/{index}.png")
    return root


@pytest.fixture
def run(parts: Path, tmp_path: Path) -> Call:
    def call(*words: str) -> Result:
        store = str(tmp_path / "runs")
        return CliRunner().invoke(
            main, ["run", "--data-root", str(parts), "--store", store, "--quiet", *METHOD, *words]
        )

    return call


def ways(**asked: object) -> list[dict[str, object]]:
    return [named(protocol) for protocol in crossed(Settings.of(asked))]


def test_tiles_are_cut_from_images_in_their_own_size_unless_an_image_size_is_asked_for():
    assert ways(tiles=256) == [{"resize": "tiles", "tiles": 256, "overlap": 64}]
    assert ways(tiles="none,256", image_size=512, overlap=0) == [{}, {"tiles": 256}]
    assert ways(resize="tiles") == [{"resize": "tiles", "tiles": 256, "overlap": 64}]
    assert ways(resize="tiles", image_size=224) == [{"resize": "tiles", "tiles": 224, "overlap": 56}]
    assert ways(resize="stretch,pad") == [{}, {"resize": "pad"}]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"resize": "crop"}, "resize is 'crop': expected some of stretch, pad, tiles"),
        ({"tiles": "0"}, "tiles is '0': expected whole numbers from 1, or none, such as 256, or none,256"),
        ({"overlap": 8}, "overlap is of tiles: give tiles too, such as 256"),
        ({"tiles": 64, "overlap": 33}, "an overlap of 33 pixels: expected 0 to 32, half a tile of 64"),
        ({"tiles": 64, "resize": "pad"}, "resize pad with tiles 64: tiles need no padding, so give resize tiles"),
        (
            {"tiles": 64, "resize": "tiles", "image_size": 128},
            "image_size 128: with resize tiles images keep their own size, and tiles say what models are given; "
            "leave it out",
        ),
    ],
)
def test_values_that_cannot_be_are_told(asked: dict[str, object], said: str):
    with pytest.raises(UsageError) as error:
        crossed(Settings.of(asked))
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tiles", "64"), "--tiles 64: parts has images of 64x48, which are smaller; take tiles of at most 48"),
        (
            ("--tiles", "64", "--image-size", "32"),
            "--tiles 64: images are resized to 32x32, which is smaller; give a larger --image-size",
        ),
        (("--tiles", "8"), "tiles of 8 pixels are smaller than conv takes: try 16"),
        (("--tiles", "40"), "tiles of 40 pixels are not multiples of 16, which conv needs: try 32"),
        (
            ("--tiles", "32", "--dataset", "synthetic", "--categories", "all"),
            "--resize tiles: data set 'synthetic' knows stretch only; give --image-size too, which --tiles are cut from",
        ),
    ],
)
def test_tiles_that_do_not_fit_are_told_in_a_line_before_anything_is_fitted(
    words: tuple[str, ...], said: str, run: Call, tmp_path: Path
):
    told = run(*words)
    assert (told.exit_code, told.stderr.splitlines()[-1]) == (2, f"harness: {said}")
    assert not (tmp_path / "runs").exists()


def test_each_way_to_cut_is_ranked_by_itself_and_a_stopped_run_goes_on(run: Call, tmp_path: Path):
    ways = ("--resize", "stretch,pad", "--image-size", "64")
    first = run(*ways, "--format", "json")
    assert first.exit_code == 0, first.output
    rows = json.loads(first.stdout)
    assert {row.get("resize", "stretch") for row in rows if row["model"] == "gaussian"} == {"stretch", "pad"}
    again = run(*ways, "--tiles", "none")
    assert "0 fitted, 2 already there" in again.stderr + again.stdout
    cut = run("--tiles", "32", "--overlap", "16", "--format", "json")
    (row,) = [one for one in json.loads(cut.stdout) if one["model"] == "gaussian"]
    assert (row["image_size"], row["tiles"], row["overlap"], row["resize"]) == (32, 32, 16, "tiles")
    with Store(tmp_path / "runs") as store:
        kept = [outcome.evidence.pixels for outcome in store.outcomes(with_pixels=True)]
    shapes = {pixels.counts().normal.sum() for pixels in kept if pixels is not None}
    assert 4 * 96 * 64 - 2 * 144 in shapes  # the full resolution of the masks
    assert 4 * 43 * 64 - 2 * 8 * 9 in shapes  # padded: what pads counts for nothing


def kept_in_tiles(parts: Path, store: Path, **more: object) -> harness.Results:
    """A run on tiles whose model is kept."""
    kept = {"store": store, "keep_models": True, "quiet": True, "floors": False, **more}
    return harness.run(models="gaussian", encoders="conv", data_root=parts, tiles=32, **kept)


def test_python_asks_for_tiles_and_a_kept_model_judges_files_and_arrays_of_any_size(parts: Path, tmp_path: Path):
    results = kept_in_tiles(parts, tmp_path / "runs")
    assert [verdict.trial.tiles for verdict in results.verdicts] == [32]
    model = harness.load("parts", store=tmp_path / "runs")
    judged = model.predict([parts / "test/dent/1.png", parts / "train/good/5.png"])
    assert [one.map.shape for one in judged] == [(64, 96), (48, 64)]
    with Store(tmp_path / "runs") as store:
        (outcome,) = store.outcomes()
    evidence = outcome.evidence
    pool = outcome.record.default_pool
    assert judged[0].score == pytest.approx(evidence.test[pool][evidence.paths.index("test/dent/1.png")], rel=1e-6)
    assert judged[1].score == pytest.approx(evidence.normal[pool][5], rel=1e-6)
    array = np.asarray(Image.open(parts / "test/dent/1.png"))
    assert model.predict(array).score == pytest.approx(judged[0].score)
    Image.fromarray(array[:30, :90]).save(tmp_path / "small.png")
    (small,) = model.predict([tmp_path / "small.png"])
    assert small.problem == f"{tmp_path / 'small.png'} is 90x30: expected at least a tile of 32x32"
    assert outcome.record.tiles_per_second is not None
    assert f", scored {outcome.record.tiles_per_second:.0f} tiles/s" in ending(outcome)
    words = ["predict", "parts", str(parts / "test/dent/1.png"), "--store", str(tmp_path / "runs")]
    told = CliRunner().invoke(main, words)
    assert re.search(r"^1 image: .*; 12 tiles of 32x32, \d+ a second$", told.stderr, re.MULTILINE), told.stderr


def test_a_packed_graph_takes_tiles_and_its_json_says_how_whole_images_are_judged(parts: Path, tmp_path: Path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    kept_in_tiles(parts, tmp_path / "runs")
    store, file = str(tmp_path / "runs"), tmp_path / "line.onnx"
    words = ["pack", "parts", "--store", store, "--data-root", str(parts), "--format", "onnx", "--out", str(file)]
    packed = CliRunner().invoke(main, words)
    assert packed.exit_code == 0, packed.output
    assert "It takes tiles of 32x32 and gives their maps" in packed.stdout
    said = json.loads(Path(f"{file}.json").read_text())
    assert (said["tiles"]["size"], said["tiles"]["overlap"], said["image_size"]) == (32, 8, 32)
    graph = runtime.InferenceSession(str(file))
    image = np.asarray(Image.open(parts / "test/dent/1.png"))
    whole = by_the_json(said["tiles"], image, lambda tile: graph.run(["map"], {"pixels": tile[None]})[0][0])
    judged = harness.load("parts", store=store).predict(parts / "test/dent/1.png")
    np.testing.assert_allclose(whole, judged.map, rtol=2e-3, atol=1e-4)
    timed = CliRunner().invoke(
        main, ["latency", "parts", "--store", store, "--engines", "onnx", "--repetitions", "2", "--batch", "2"]
    )
    assert timed.exit_code == 0, timed.output
    assert "96x64 px in 12 tiles" in timed.stdout


def test_tiles_of_one_size_of_photo_are_certified_and_tiles_of_any_size_are_refused_in_a_line(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(7)
    for kind, fewest in (("good", 5), ("bad", 2)):
        (tmp_path / "more" / kind).mkdir(parents=True)
        for index in range(fewest):
            pixels = random.integers(90, 110, (64, 96, 3), np.uint8)
            pixels[20:32, 70:82] = 250 if kind == "bad" else pixels[20:32, 70:82]
            Image.fromarray(pixels).save(tmp_path / "more" / kind / f"{index}.png")

    def certify(store: Path) -> Result:
        asked = ["--sizes", "0.1,0.3", "--contrasts", "0.8", "--defects", "spot", "--corruptions", "noise"]
        words = ["certify", str(store / "models" / "parts"), "--images", "more", "--engines", "none", *asked]
        return CliRunner().invoke(main, [*words, "--most", "4", "--quiet"])

    kept_in_tiles(parts, tmp_path / "any_size")
    refused = certify(tmp_path / "any_size")
    assert (refused.exit_code, refused.stderr.splitlines()) == (
        2,
        [
            "harness: this model takes photos with --resize tiles, and certificates are made of photos of one square "
            "size: fit it with --resize stretch, with --tiles if need be"
        ],
    )
    kept_in_tiles(parts, tmp_path / "one_size", image_size=64, resize="stretch", thresholds="mean_std[k=50]")
    made = certify(tmp_path / "one_size")
    assert made.exit_code == 0, made.output
    said = json.loads((tmp_path / "certificate.json").read_text())
    found = said.get("found", said)
    assert (found["model"]["image_size"], found["photos"]["unseen"], found["photos"]["bad"]) == (64, 5, 2)


def by_the_json(tiles: dict[str, int], image: np.ndarray, graph: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A joined map, made by what the JSON beside a graph says and by nothing of the harness."""
    size, overlap = tiles["size"], tiles["overlap"]
    sides = []
    for length in image.shape[:2]:
        n = 1 + int(np.ceil((length - size) / (size - overlap)))
        starts = [i * (length - size) // max(n - 1, 1) for i in range(n)]
        window = np.ones((n, size))
        for i in range(n - 1):
            s = starts[i] + size - starts[i + 1]
            angle = (np.arange(s) + 0.5) * np.pi / (2 * s)
            window[i, size - s :] *= np.cos(angle) ** 2
            window[i + 1, :s] *= np.sin(angle) ** 2
        total = sum(np.pad(window[i], (at, length - at - size)) for i, at in enumerate(starts))
        sides.append([(at, window[i] / total[at : at + size]) for i, at in enumerate(starts)])
    whole = np.zeros(image.shape[:2])
    for top, down in sides[0]:
        for left, across in sides[1]:
            tile = np.ascontiguousarray(image[top : top + size, left : left + size])
            whole[top : top + size, left : left + size] += graph(tile) * np.outer(down, across)
    return whole
