"""A kept model at work, asked function by function: on arrays, files, folders that are watched, and on drift."""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness import (
    DataError,
    Dataset,
    Images,
    Model,
    ModelError,
    PackingError,
    Pool,
    Scores,
    Threshold,
    TrainingError,
    UnavailableError,
    UsageError,
)
from harness.api import OracleThreshold
from harness.audit.statistics import NAMES
from harness.deployment import births, drift, kept, loading, predicting, submitting, watching
from harness.deployment.births import born
from harness.deployment.detector import NEAR, Decided, Detector
from harness.deployment.drift import ALARM, Drift, Since, _moved, state_file
from harness.deployment.float_tiff import write_float16
from harness.deployment.framing import described
from harness.deployment.image_files import Found
from harness.deployment.kept import Judgement, LoadedModel
from harness.deployment.predicting import Prediction, Read, predict, read
from harness.deployment.submitting import by_pixel, write_maps
from harness.deployment.watching import Watch, watch
from harness.errors import HarnessWarning
from harness.plugin.registry import Registry
from harness.trials.saved_model import SavedModel
from harness.trials.trial import Trial

TRIAL = Trial("dots", "large", "grey", "-", "-", 0, 8, 0, 0, 0.0, 0.0, "fp32", "-")


class Largest(Pool):
    name = "largest"

    def score(self, maps: Any) -> Any:
        return maps.max(axis=(1, 2))


class Mean(Pool):
    name = "mean"

    def score(self, maps: Any) -> Any:
        return maps.mean(axis=(1, 2))


class Half(Threshold):
    name = "half"

    def fit(self, normal: Any) -> float:
        return float(normal.max()) / 2


class Peeks(OracleThreshold):
    name = "peeks"

    def fit_oracle(self, scores: Any, labels: Any) -> float:
        return 0.0


class Grey(Model):
    """Maps of grey levels from 0 to 1; black images are refused."""

    name = "grey"
    uses = frozenset({"pool"})
    fails: BaseException | None = None

    def fit(self, normal: Any, *, encoder: Any, loss: Any, run: Any) -> None: ...

    def score(self, images: Images) -> Scores:
        if self.fails is not None:
            raise self.fails
        return Scores(maps=images.pixels.mean(axis=3) / 255)


class Folder(Dataset):
    name = "folder_of_tests"

    def load(self, category: str, image_size: int) -> Any:
        raise NotImplementedError


Folder.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
CALIBRATION = np.array([0.1, 0.2, 0.3, 0.4])


def detector(pool: str = "largest", model: Any = None, limit: float = 0.5, **saved: Any) -> Detector:
    calibration = {"largest": CALIBRATION, "mean": CALIBRATION / 2}
    known = SavedModel(
        saved.pop("trial", TRIAL),
        "f1",
        pool,
        "half",
        limit,
        saved.pop("calibration", calibration),
        sizes=("8x8",),
        **saved,
    )
    pools = {"largest": Largest(), "mean": Mean()}
    return Detector(known, model or Grey(), Folder(), pool, "half", limit, pools=pools)


def pixels(*levels: int, side: int = 8) -> Any:
    return np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), side, side, 3)).copy()


def grey(file: Path, level: int = 51, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * 3).save(file)
    return file


def test_an_image_is_anomalous_above_the_limit_and_its_p_value_counts_those_that_score_as_high() -> None:
    found = detector(limit=0.2).decide(pixels(0, 51, 52, 255))
    assert found.scores.tolist() == pytest.approx([0.0, 0.2, 52 / 255, 1.0])
    assert found.anomalous.tolist() == [False, False, True, True]
    assert found.p_values is not None
    assert found.p_values.tolist() == pytest.approx([1.0, 0.8, 0.6, 0.2])
    assert found.maps is not None
    assert found.maps.shape == (4, 8, 8)


def test_a_model_without_calibration_scores_gives_no_p_values_and_no_images_no_decisions() -> None:
    bare = detector(calibration={"largest": np.empty(0)})
    assert bare.decide(pixels(51)).p_values is None
    none = detector().decide(pixels())
    assert (none.scores.shape, none.anomalous.shape, none.maps) == ((0,), (0,), None)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ValueError("two\nlines"), ModelError, "grey cannot score image 0: ValueError: two lines"),
        (SystemExit(3), ModelError, "grey cannot score image 0: SystemExit: 3"),
        (TrainingError("grey gave nan"), TrainingError, "grey gave nan"),
        (KeyboardInterrupt(), KeyboardInterrupt, ""),
    ],
)
def test_what_a_model_raises_is_an_error_that_names_the_image(error: BaseException, kind: Any, said: str) -> None:
    model = Grey()
    model.fails = error
    with pytest.raises(kind) as caught:
        detector(model=model).decide(pixels(1, 2))
    assert str(caught.value) == said
    model.fails = ValueError("no")
    with pytest.raises(ModelError, match="cannot score b.png: ValueError: no"):
        detector(model=model).decide(pixels(1), ("b.png",))


def test_images_of_a_large_number_are_scored_in_pieces_and_names_go_along() -> None:
    sizes, names = [], []

    class Counting(Grey):
        def score(self, images: Images) -> Scores:
            sizes.append(len(images))
            names.extend(images.paths)
            return super().score(images)

    many = np.zeros((70, 256, 256, 3), np.uint8)
    many[69] = 255
    found = detector(model=Counting()).decide(many)
    assert sizes == [64, 6]
    assert found.scores.shape == (70,)
    assert found.anomalous.tolist() == [False] * 69 + [True]
    assert found.maps is not None
    assert len(found.maps) == 70


@pytest.mark.parametrize(("variable", "asked"), [("", 3), ("2", None)])
def test_a_model_computes_on_the_threads_of_its_fit_unless_the_environment_says_how_many(
    monkeypatch: pytest.MonkeyPatch, variable: str, asked: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert detector(threads=3)._threads == asked


def test_images_of_several_sizes_are_judged_in_their_order_without_maps() -> None:
    found = detector().decide_each(Images(pixels(255, 0, 102), ("a", "b", "c")))
    assert found.scores.tolist() == pytest.approx([1.0, 0.0, 0.4])
    assert found.anomalous.tolist() == [True, False, False]
    assert found.maps is None
    assert found.p_values is not None
    assert found.p_values.tolist() == pytest.approx([0.2, 1.0, 0.4])


class Together:
    """A graph that gives these scores; what it was given."""

    def __init__(self, *scores: float, maps: Any = None) -> None:
        self.scores, self.maps, self.given = scores, maps, dict[str, Any]()

    def __call__(self, inputs: Any) -> Any:
        self.given = dict(inputs)
        found = {"score": np.array(self.scores, np.float32)}
        return found if self.maps is None else {**found, "map": self.maps}


def at_once(graph: Any, limit: float = 0.5, level: int = 255) -> Decided:
    one = detector(limit=limit)
    one.__dict__["_graph"] = graph
    return one.decide_at_once(pixels(*[level] * len(graph.scores) if graph else [level]))


def test_a_graph_decides_at_once_where_no_score_is_near_the_limit() -> None:
    graph = Together(0.25, 0.75, maps=np.zeros((2, 8, 8)))
    found = at_once(graph)
    assert (found.scores.tolist(), found.anomalous.tolist()) == ([0.25, 0.75], [False, True])
    assert found.scores.dtype == np.float64
    assert found.maps is graph.maps
    assert found.p_values is not None
    assert found.p_values.tolist() == pytest.approx([0.6, 0.2])
    assert list(graph.given) == ["pixels"]
    assert graph.given["pixels"].flags.writeable
    assert at_once(Together(0.25)).maps is None


@pytest.mark.parametrize("score", [0.5, 0.5 + 0.9 * NEAR * 0.5, 0.5 - 0.9 * NEAR * 0.5, np.nan])
def test_a_score_near_the_limit_or_none_is_computed_again_as_in_the_trial(score: float) -> None:
    assert at_once(Together(0.25, score)).scores.tolist() == [1.0, 1.0]
    assert at_once(Together(-score), limit=-0.5).scores.tolist() == [1.0]


def test_a_score_a_little_further_from_the_limit_stays_and_without_a_graph_all_are_computed() -> None:
    assert at_once(Together(0.5 + 2 * NEAR)).scores.tolist() == pytest.approx([0.5 + 2 * NEAR])
    assert at_once(None).scores.tolist() == [1.0]


def test_a_model_without_a_network_or_on_a_gpu_has_no_graph() -> None:
    pytest.importorskip("torch")
    assert detector()._graph is None
    elsewhere = detector()
    object.__setattr__(elsewhere, "device", "cuda")
    assert elsewhere._graph is None


def test_other_thresholds_and_pools_judge_by_the_scores_of_their_own_pool() -> None:
    one = detector()
    assert one.judging() is one
    assert one.judging(pool="largest") is one
    half = one.judging(Half())
    assert (half.limit, half.threshold, half.pool) == (0.2, "half", "largest")
    mean = one.judging(Half(), "mean")
    assert (mean.limit, mean.pool) == (0.1, "mean")
    assert mean.decide(pixels(51)).scores.tolist() == pytest.approx([0.2])
    with pytest.raises(TypeError, match="^another pool needs a threshold, whose limit is of that pool$"):
        one.judging(pool="mean")
    with pytest.raises(UsageError, match="^threshold 'peeks' needs test labels, which new images do not have$"):
        one.judging(Peeks())  # type: ignore[arg-type]


def test_an_image_for_people_keeps_its_proportions_and_is_never_enlarged(tmp_path: Path) -> None:
    one = detector()
    wide, thin = grey(tmp_path / "wide.png", size=(60, 30)), grey(tmp_path / "thin.png", size=(200, 1))
    assert one.picture(wide, 20).shape == (10, 20, 3)
    assert one.picture(wide, 600).shape == (30, 60, 3)
    assert one.picture(thin, 20).shape == (1, 20, 3)
    assert one.picture(grey(tmp_path / "tall.png", size=(1, 200)), 20).shape == (20, 1, 3)
    assert one.picture(wide, 20).tolist() == [[[51] * 3] * 20] * 10

    class OfItsOwn(Folder):
        def read(self, file: Path, image_size: int) -> Any:
            return pixels(7)[0]

    own = Detector(one.saved, one.model, OfItsOwn(), "largest", "half", 0.5)
    assert own.picture(wide, 20).tolist() == pixels(7)[0].tolist(), "as the model sees it"


def test_a_prediction_says_normal_anomalous_or_unreadable() -> None:
    file = Path("a.png")
    assert Prediction(file, file).decision == "unreadable"
    assert Prediction(file, file, 0.0).decision == "normal"
    assert Prediction(file, file, 0.0, anomalous=True).decision == "anomalous"


def test_files_are_predicted_in_their_order_and_read_ahead_of_the_model(tmp_path: Path) -> None:
    asked: list[int] = []
    judged: list[int] = []

    class Noting(Grey):
        def score(self, images: Images) -> Scores:
            judged.append(len(images))
            return super().score(images)

    def files() -> Iterator[Found]:
        for at in range(40):
            asked.append(at)
            file = grey(tmp_path / f"{at}.png", level=at)
            yield Found(file, Path(file.name))

    found = predict(detector(model=Noting()), files())
    first = next(found)
    assert (first.score, len(asked)) == (0.0, 40), "32 wait while 16 are judged, and 16 more are begun"
    rest = list(found)
    assert [one.name.name for one in (first, *rest)] == [f"{at}.png" for at in range(40)]
    assert [one.score for one in rest] == pytest.approx([at / 255 for at in range(1, 40)])
    assert judged == [16, 16, 8]
    assert list(predict(detector(), [])) == []


def test_a_pipe_and_a_folder_are_no_images_and_a_file_that_is_gone_is_left_to_its_data_set(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for place in (tmp_path / "pipe.png", tmp_path):
        one = read(detector(), Found(place, Path("a.png")))
        assert one.pixels is None
        assert one.problem == f"{place} is not a regular file: expected an image"
    gone = read(detector(), Found(tmp_path / "gone.png", Path("gone.png")))
    assert "is not a regular file" not in gone.problem
    assert gone.problem


def loaded(one: Detector | None = None) -> LoadedModel:
    return LoadedModel(one or detector(), Registry(), Path("model"))


def test_an_image_may_be_an_array_a_grey_array_a_picture_or_a_path(tmp_path: Path) -> None:
    model, file = loaded(), grey(tmp_path / "a.png")
    for image in (
        pixels(51)[0],
        pixels(51)[0, :, :, 0],
        Image.new("RGB", (8, 8), (51,) * 3),
        Image.new("L", (8, 8), 51),
    ):
        found = model.predict(image)
        assert (found.score, found.decision, found.image) == (pytest.approx(0.2), "normal", "the image")
    for path in (file, str(file)):
        assert model.predict(path) == Judgement(0.2, 0.5, "normal", image=str(file), p_value=0.8)
    assert model.predict(pixels(255)[0]).decision == "anomalous"
    assert model.predict(pixels(51, side=30)[0]).map.shape == (8, 8), "it is resized as files are"
    assert model.limit == 0.5


def test_several_images_give_a_list_in_which_what_cannot_be_read_is_unreadable(tmp_path: Path) -> None:
    model = loaded()
    assert [one.image for one in model.predict(pixels(51, 255))] == ["image 0", "image 1"]
    bad = tmp_path / "text.png"
    bad.write_text("no image")
    found = model.predict([pixels(255)[0], str(bad), Image.new("L", (8, 8), 0)])
    assert [one.decision for one in found] == ["anomalous", "unreadable", "normal"]
    assert (found[1].score, found[1].image, found[1].limit) == (None, str(bad), 0.5)
    assert str(bad) in found[1].problem
    grey(tmp_path / "good.png")
    assert [one.decision for one in model.predict(tmp_path)] == ["normal", "unreadable"]
    assert model.predict([]) == []
    with pytest.raises(DataError, match="text.png"):
        model.predict(bad)
    many = model.predict(pixels(*range(40)))
    assert [one.score for one in many] == pytest.approx([at / 255 for at in range(40)])


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (3, "3 is no image: expected a path, an array, or a list of these"),
        (np.zeros((8, 8, 3)), "the image is float64 of shape (8, 8, 3): expected numbers of 0 to 255 (uint8) of shape (H, W, 3) or (H, W)"),
        (np.zeros((8, 8, 4), np.uint8), "the image is uint8 of shape (8, 8, 4): expected numbers of 0 to 255 (uint8) of shape (H, W, 3) or (H, W)"),
        (np.zeros(8, np.uint8), "the image is uint8 of shape (8,): expected numbers of 0 to 255 (uint8) of shape (H, W, 3) or (H, W)"),
        (np.zeros((0, 8, 3), np.uint8), "the image is uint8 of shape (0, 8, 3): expected numbers of 0 to 255 (uint8) of shape (H, W, 3) or (H, W)"),
        ([np.zeros((8, 8), np.uint8), 3], "image 1 is int64 of shape (): expected numbers of 0 to 255 (uint8) of shape (H, W, 3) or (H, W)"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_said_to_be_none(image: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded().predict(image)
    assert str(caught.value) == said


def test_pixels_of_another_size_are_refused_where_a_data_set_reads_files_in_its_own_way() -> None:
    class OfItsOwn(Folder):
        name = "own"

        def read(self, file: Path, image_size: int) -> Any:
            return pixels(7)[0]

    one = detector()
    model = loaded(Detector(one.saved, one.model, OfItsOwn(), "largest", "half", 0.5, pools=one.pools))
    assert model.predict(pixels(51)[0]).score == pytest.approx(0.2)
    with pytest.raises(UsageError) as caught:
        model.predict(np.zeros((5, 9, 3), np.uint8))
    assert str(caught.value) == (
        "the image is 9x5, and data set 'own' reads files in a way of its own: give the path of a file, or pixels of 8x8"
    )


def test_a_loaded_model_judges_by_another_threshold_that_is_spelt_or_an_instance() -> None:
    model = loaded()
    other = model.judging(Half())
    assert (other.limit, other.directory) == (0.2, Path("model"))
    again = other.judging(pool="mean")
    assert (again.limit, again.detector.pool) == (0.1, "mean")
    with pytest.raises(UsageError, match="^no threshold 'halve'. Did you mean 'half'"):
        other.judging("halve")


def test_what_must_be_known_before_a_model_is_trusted_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    one = detector()
    object.__setattr__(one, "remarks", ("its plugin is another", "its limit is of little use"))

    def load(*given: Any) -> Detector:
        asked.append(given)
        return one

    monkeypatch.setattr(loading, "load", load)
    with pytest.warns(HarnessWarning) as told:
        found = kept.load(tmp_path, device="cpu", weights_dir=str(tmp_path))
    assert [str(warning.message) for warning in told] == ["its plugin is another", "its limit is of little use"]
    assert told[0].filename == __file__
    assert found.detector is one
    assert found.directory == tmp_path
    ((directory, registry, device, weights),) = asked
    assert (directory, device, weights) == (tmp_path, "cpu", tmp_path)
    assert registry is found.registry
    with pytest.raises(UsageError, match="^no model ''. Available: none. `harness run --keep-models` keeps models in "):
        kept.load("", store=tmp_path)


def test_a_loaded_directory_has_the_pools_that_are_offered_here_and_says_what_is_doubtful(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = Registry()
    module = SimpleNamespace(harness_pools=None)
    saved = detector(calibration={"largest": np.empty(0), "mean": CALIBRATION, "gone": CALIBRATION}).saved
    monkeypatch.setattr(loading, "read", lambda directory: saved)
    monkeypatch.setattr(loading, "remarks_on", lambda *given: ("another version",))
    monkeypatch.setattr(loading, "made", lambda registry, kind, *given: Largest() if kind is Pool else Folder())
    monkeypatch.setattr(loading, "restored", lambda *given: module)

    def make(kind: Any, text: str) -> Pool:
        if text == "gone":
            raise UsageError("no pool 'gone'")
        return Mean()

    monkeypatch.setattr(registry, "make", make)
    found = loading.load(Path("model"), registry)
    assert (sorted(found.pools), found.device, found.limit) == (["largest", "mean"], "cpu", 0.5)
    assert found.model is module
    assert found.remarks[0] == "another version"
    assert "its calibration scores are gone" in found.remarks[1]
    assert len(found.remarks) == 2
    saved = detector("-", calibration={"-": CALIBRATION}, trial=TRIAL._replace(holdout=0.5)).saved
    without = loading.load(Path("model"), registry)
    assert (without.pools, without.remarks) == ({}, ("another version",))


def on_drift(**given: Any) -> Drift:
    usual = {name: (0.0 if name.startswith(("spread", "sharp")) else 100.0, 2.0) for name in NAMES}
    return Drift(given.pop("detector", None) or detector(statistics=usual), **given)


def test_a_state_of_drift_starts_from_the_calibration_scores_below_the_limit(tmp_path: Path) -> None:
    found = on_drift(detector=detector(limit=0.4))
    assert found.ranks.values == [0.1, 0.2, 0.3]
    assert (found.counted, found.told, found.resumed, found.images) == (0, "", "", 10_000)
    assert ALARM == 10_000
    assert len(found.since) == 8
    assert found.since[0] is not found.since[1]


@pytest.mark.parametrize("changed", [{"score": None}, {"anomalous": True}, {"pixels": None}])
def test_what_is_not_called_normal_is_not_counted(changed: dict[str, Any]) -> None:
    found = on_drift()
    usual = {"score": 0.2, "pixels": pixels(51)[0]}
    assert found.follow(Prediction(Path("gone.png"), Path("gone.png"), **usual | changed)) == ""
    assert found.counted == 0
    found.follow(Prediction(Path("gone.png"), Path("gone.png"), **usual))
    assert found.counted == 1, "also where the file is gone by now"
    assert found.count(0.5, "on the limit", pixels(51)[0]) == ""
    assert found.counted == 1


def test_each_image_adds_its_statistics_to_the_bets_that_may_have_begun_before_it() -> None:
    found = on_drift()
    for at in range(4):
        found.count(0.45, f"{at}.png", pixels(100)[0])
    loud = found.since[found.evidence.loudest]
    assert loud.first == f"{4 - loud.count}.png"
    assert loud.count > 0
    assert loud.statistics[0] == pytest.approx(100.0 * loud.count)
    assert any(one.count == 0 for one in found.since), "bets on lower scores have begun anew"


def test_an_alarm_says_since_when_by_how_much_and_what_to_do(tmp_path: Path) -> None:
    found = on_drift(images=2, file=tmp_path / "state.json")
    said, at = "", 0
    while not said and at < 200:
        said = found.count(0.45, f"{at}.png", pixels(112)[0])
        at += 1
    since = found.since[found.evidence.loudest]
    assert (
        said
        == found.told
        == (
            f"the images called normal have changed since {since.first}, {since.count} of {at} images ago: their scores "
            "lie above those that the limit was set on. What has moved most is brightness: 112.0 on average, and 100.0 "
            "(± 2.0) in the fitted images. Look at camera, light and parts; if the change is meant, fit the detector to "
            "new images. Such an alarm is false at most once in 2 normal images on average"
        )
    )
    assert found.count(0.45, "later.png", pixels(112)[0]) == ""
    assert found.counted == at
    again = on_drift(images=2, file=tmp_path / "state.json")
    assert again.resumed == f"{said}. It was said before; delete {tmp_path / 'state.json'} to begin anew"


def test_the_state_is_written_now_and_then_and_at_the_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(drift.time, "monotonic", lambda: now[0])
    file = tmp_path / "state.json"
    found = on_drift(file=file, _saved_at=1000.0)
    found.count(0.2, "a", pixels(100)[0])
    assert not file.exists()
    now[0] += 4.9
    found.count(0.2, "b", pixels(100)[0])
    assert not file.exists()
    now[0] += 0.1
    found.count(0.2, "c", pixels(100)[0])
    said = json.loads(file.read_text())
    assert (said["counted"], said["images"], said["pool"], said["limit"]) == (3, 10_000, "largest", 0.5)
    assert said["model"] == found.detector.saved.id
    file.unlink()
    found.count(0.2, "d", pixels(100)[0])
    assert not file.exists(), "five seconds are counted from the last write"
    on_drift().save()


def test_a_restart_counts_no_file_that_was_counted_and_every_newer_one(tmp_path: Path) -> None:
    found = on_drift(file=tmp_path / "state.json")
    first = grey(tmp_path / "first.png")
    one = Prediction(first, first, 0.2, pixels=pixels(51)[0])
    found.follow(one)
    assert found.until == first.stat().st_ctime_ns
    found.save()
    again = on_drift(file=tmp_path / "state.json")
    again.follow(one)
    assert (again.counted, again.until) == (1, found.until)
    time.sleep(0.02)
    second = grey(tmp_path / "second.png")
    again.follow(Prediction(second, second, 0.2, pixels=pixels(51)[0]))
    again.follow(Prediction(second, second, 0.2, pixels=pixels(51)[0]))
    assert (again.counted, again.until) == (3, second.stat().st_ctime_ns), "within one process each prediction counts"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "it is none of this harness"),
        ({"model": "x" * 80}, f"its model is '{'x' * 59}, expected "),
        ({"pool": "mean"}, "its pool is 'mean', expected 'largest'"),
        ({"limit": 9}, "its limit is 9, expected 0.5"),
        ({"counted": "3"}, "counted is '3'"),
        ({"until": 0.5}, "until is 0.5"),
        ({"told": 3}, "told is 3"),
        ({"scores": ["a"]}, "scores"),
        ({"gains": [0.0] * 7}, "gains has 7 numbers, expected 8 finite ones"),
        ({"sums": [float("inf")] * 8}, "sums has 8 numbers, expected 8 finite ones"),
        ({"since": [["a", 1, [0.0] * 9]] * 8}, "since has 9 numbers, expected 10 finite ones"),
        ({"since": [["a", 1, [0.0] * 10]] * 7}, "it lacks some bets"),
        ({"since": [["a"]] * 8}, ""),
    ],
)
def test_a_state_that_cannot_be_used_says_why(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "state.json"
    on_drift(file=file).save()
    usual = json.loads(file.read_text())
    file.write_text(json.dumps({**usual, "scores": usual["scores"][::-1]}))
    assert on_drift(file=file).ranks.values == sorted(usual["scores"])
    file.write_text(json.dumps({**usual, **change}))
    with pytest.raises(ModelError) as caught:
        on_drift(file=file)
    assert str(caught.value).startswith(f"what is known of drift in {file} cannot be used: ")
    assert said in str(caught.value)
    assert str(caught.value).endswith("; delete it, or give another file")
    for text in ("[]", "{", "[" * 100_000):
        file.write_text(text)
        with pytest.raises(ModelError, match="cannot be used"):
            on_drift(file=file)


def test_a_state_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    file = tmp_path / "gone" / "state.json"
    with pytest.raises(ModelError) as caught:
        on_drift(file=file).save()
    assert str(caught.value) == f"what is known of drift cannot be written to {file}: No such file or directory"


def test_each_watched_folder_and_limit_has_a_state_file_beside_the_model(tmp_path: Path) -> None:
    model, line = tmp_path / "models" / "bottle", tmp_path / "line"
    file = state_file(model, line, detector())
    apart = "\0".join((str(line), "1", detector().saved.id, "largest", "0.5"))
    assert file == tmp_path / "models" / f".bottle.drift-{zlib.crc32(apart.encode()):08x}.json"
    others = {
        state_file(model, tmp_path / "other", detector()),
        state_file(model, line, detector(limit=0.25)),
        state_file(model, line, detector("mean")),
    }
    assert len(others | {file}) == 4


def test_the_statistic_that_moved_furthest_is_named_in_deviations_of_half_a_grey_level_at_least() -> None:
    usual = dict.fromkeys(NAMES, (100.0, 4.0))
    means = np.full(10, 100.0)
    still = "No simple statistic has moved, so look at the images themselves"
    assert _moved(usual, means) == still
    means[4] = 103.9
    assert _moved(usual, means) == still
    means[4] = 96.0
    said = "What has moved most is spread of red: 96.0 on average, and 100.0 (± 4.0) in the fitted images"
    assert _moved(usual, means) == said
    means[0] = 103.0
    assert _moved(usual, means) == said
    steady = {**usual, "brightness": (100.0, 0.1)}
    assert _moved(steady, means).startswith("What has moved most is brightness: 103.0 on average, and 100.0 (± 0.1)")
    means[0] = 100.4
    assert _moved(steady, means) == said
    assert _moved({}, means) == "Which simple statistic has moved is not known, for the model was kept before such were"


def test_an_alarm_before_any_image_divides_by_nothing() -> None:
    found = on_drift()
    found.since = [Since() for _ in found.since]
    assert "since , 0 of 0 images ago" in found._alarm()


def test_a_file_has_a_birth_that_a_newer_one_of_its_name_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    before = time.time()
    file.write_text("a")
    first = born(file)
    if first is None:
        pytest.skip("this file system does not tell when a file was made")
    assert before - 1 <= first[0] <= time.time() + 1
    assert 0 <= first[1] < 10**9
    time.sleep(0.02)
    file.write_text("b")
    assert born(file) == first
    monkeypatch.chdir(tmp_path)
    assert born(Path("a")) == first
    file.unlink()
    assert born(file) is None
    file.write_text("c")
    again = born(file)
    assert again is not None
    assert again > first
    monkeypatch.setattr(births, "_statx", lambda: None)
    assert born(file) is None


def test_a_birth_that_the_file_system_does_not_know_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def statx(known: int, result: int = 0) -> Any:
        def call(here: int, name: bytes, flags: int, asked: int, buffer: Any) -> int:
            assert (here, name, flags, asked) == (-100, b"a", 0, 0x800)
            struct.pack_into("=I", buffer, 0, known)
            struct.pack_into("=qI", buffer, 80, 7, 9)
            return result

        return call

    for known, result, found in ((0x800, 0, (7, 9)), (0xFFF, 0, (7, 9)), (0x7FF, 0, None), (0x800, -1, None)):
        monkeypatch.setattr(births, "_statx", lambda known=known, result=result: statx(known, result))
        assert born(Path("a")) == found


def test_a_map_is_a_tiff_of_one_strip_of_half_floats(tmp_path: Path) -> None:
    values = np.array([[0.0, 1.5, -2.0], [1e9, -1e9, 0.25]])
    write_float16(tmp_path / "a.tiff", values)
    raw = (tmp_path / "a.tiff").read_bytes()
    order, magic, place = struct.unpack_from("<2sHI", raw)
    assert (order, magic, place) == (b"II", 42, 8 + 12)
    assert np.frombuffer(raw[8:20], "<f2").reshape(2, 3).tolist() == [[0.0, 1.5, -2.0], [65504.0, -65504.0, 0.25]]
    (count,) = struct.unpack_from("<H", raw, place)
    tags = {}
    for at in range(count):
        tag, kind, n, value = struct.unpack_from("<HHII", raw, place + 2 + 12 * at)
        assert (kind, n) == (3 if value < 65536 and tag in (258, 259, 262, 277, 339) else 4, 1)
        tags[tag] = value
    assert list(tags) == sorted(tags), "as TIFF asks for"
    assert tags == {256: 3, 257: 2, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 12, 339: 3}
    assert raw[place + 2 + 12 * count :] == b"\0\0\0\0", "there is no other page"


def test_what_a_program_has_to_do_around_a_graph_is_said_in_full() -> None:
    assert described(TRIAL) == {}
    padding = described(TRIAL._replace(resize="pad"))["padding"]
    assert padding["size"] == 8
    for words in ("longer side to size", "margin are rounded down", "mirror it outwards", "symmetric"):
        assert words in padding["how"]
    assert padding["score"].startswith("cut the margins off the map; the score of the image is pool over the rest")
    tiles = described(TRIAL._replace(tiles=4, overlap=1, resize="tiles"))["tiles"]
    assert (tiles["size"], tiles["overlap"]) == (4, 1)
    assert "1 + ceil((L - size) / (size - overlap))" in tiles["starts"]
    assert "floor(i * (L - size) / (n - 1))" in tiles["starts"]
    assert "cos((k + 0.5) * pi / (2 s)) ** 2" in tiles["weights"]
    assert "largest score of a tile" in tiles["score"]


def test_a_limit_for_pixels_is_that_of_the_pool_max() -> None:
    one = detector("max", calibration={"max": CALIBRATION, "mean": CALIBRATION / 2})
    object.__setattr__(one, "pools", {"max": Largest(), "mean": Mean()})
    found = by_pixel(one, Half())
    assert (found.pool, found.limit) == ("max", 0.2)
    with pytest.raises(UnavailableError, match="^model 'grey' has no maps: there is nothing to submit of it$"):
        by_pixel(detector("-", calibration={"-": CALIBRATION}), Half())


def test_maps_of_a_category_lie_in_folders_as_in_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "map_of", lambda detector, image: np.array([[0.5, 1.0, 1.01, 2.0]]))
    found = write_maps(detector(), {"test_a": [Path("x/000.png"), Path("x/001.png")], "test_b": []}, tmp_path / "out")
    assert list(found) == [("test_a", 2), ("test_b", 0)]
    files = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert files == [
        "anomaly_images/large/test_a/000.tiff",
        "anomaly_images/large/test_a/001.tiff",
        "anomaly_images_thresholded/large/test_a/000.png",
        "anomaly_images_thresholded/large/test_a/001.png",
    ]
    white = np.asarray(Image.open(tmp_path / "out" / files[2]))
    assert (white.dtype, white.tolist()) == (np.uint8, [[0, 0, 255, 255]])
    assert (tmp_path / "out/anomaly_images_thresholded/large/test_b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"^--out '.*/file' cannot be written: (Not a directory|File exists)$"):
        list(write_maps(detector(), {"test_a": []}, tmp_path / "file"))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_watch_reports_an_unreadable_file_after_two_seconds_without_a_change(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    known = Watch(tmp_path, detector())
    (tmp_path / "a.png").write_text("not yet")
    known.arrivals(pool)
    now[0] += 1.0
    assert known.arrivals(pool) == [], "it is tried, and kept in mind"
    now[0] += 0.9
    assert known.arrivals(pool) == []
    now[0] += 0.1
    (one,) = known.arrivals(pool)
    assert (one.file, one.name, one.pixels) == (tmp_path / "a.png", Path("a.png"), None)
    assert "a.png" in one.problem
    now[0] += 9
    assert known.arrivals(pool) == []


def test_a_watch_reads_sixteen_files_a_look_the_oldest_first(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    known = Watch(tmp_path, detector())
    grey(tmp_path / "z.png", level=1)
    known.arrivals(pool)
    for at in range(20):
        grey(tmp_path / f"{at:02}.png", level=at)
    assert [one.name.name for one in known.arrivals(pool)] == ["z.png"]
    assert [one.name.name for one in known.arrivals(pool)] == [f"{at:02}.png" for at in range(16)]
    assert [one.name.name for one in known.arrivals(pool)] == ["16.png", "17.png", "18.png", "19.png"]


def test_a_file_that_comes_later_is_noticed_behind_one_that_stays_and_what_is_gone_is_forgotten(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    known = Watch(tmp_path, detector())
    grey(tmp_path / "a.png")
    known.arrivals(pool)
    known.arrivals(pool)
    grey(tmp_path / "b.png")
    known.arrivals(pool)
    assert [one.name.name for one in known.arrivals(pool)] == ["b.png"]
    (tmp_path / "a.png").unlink()
    known.arrivals(pool)
    assert [file.name for file in known._files] == ["b.png"]


def test_a_folder_that_cannot_be_listed_is_reported_once_and_again_after_it_could(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [[Found(tmp_path / "x", Path("x"), "cannot be listed")], [Found(tmp_path / "x", Path("x"), "cannot be listed")], [], [Found(tmp_path / "x", Path("x"), "cannot be listed")]]  # fmt: skip
    monkeypatch.setattr(watching, "below", lambda *given: iter(answers.pop(0)))
    known = Watch(tmp_path, detector())
    assert [[one.problem for one in known.arrivals(pool)] for _ in range(4)] == [
        ["cannot be listed"], [], [], ["cannot be listed"]
    ]  # fmt: skip


def test_a_watch_waits_between_looks_for_longer_where_looking_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    clock = iter([0.0, 0.001, 1.0, 1.5, 2.0])
    found = [[], [], [Read(tmp_path / "a.png", Path("a.png"), pixels(255)[0])]]
    monkeypatch.setattr(Watch, "arrivals", lambda self, pool: found.pop(0))
    monkeypatch.setattr(watching.time, "sleep", waited.append)
    monkeypatch.setattr(watching.time, "monotonic", lambda: next(clock, 3.0))
    watched = watch(detector(), tmp_path)
    one = next(watched)
    assert (one.score, one.decision) == (1.0, "anomalous")
    assert waited == pytest.approx([0.02, 2.0])
    watched.close()  # type: ignore[attr-defined]


def test_a_batch_that_fails_on_one_image_says_the_error_of_ours_and_others_with_the_name_of_the_file() -> None:
    def fails(error: Exception) -> Any:
        def decide(some: Any, names: Any) -> Decided:
            raise error

        return decide

    one = Read(Path("a.png"), Path("a.png"), pixels(1)[0])
    for error, said in (
        (PackingError("as it is"), "as it is"),
        (ValueError("two\nlines"), "a.png: ValueError: two lines"),
    ):
        (found,) = predicting.judge(fails(error), [one])
        assert (found.problem, found.score, found.file) == (said, None, one.file)
