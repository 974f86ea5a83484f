"""A kept model among files: which are judged under which names, what is odd about one, and what a failure costs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.api import Threshold
from harness.deployment import watching
from harness.deployment.detector import Decided, Detector
from harness.deployment.engines import SCORE
from harness.deployment.image_files import Found, ImageFiles
from harness.deployment.kept import directory_of
from harness.deployment.measuring import Task, _measure
from harness.deployment.predicting import Read, at_once, judge, read
from harness.deployment.submitting import map_of
from harness.deployment.unusual import UnusualImages
from harness.deployment.watching import Watch
from harness.errors import DataError, ModelError, UsageError


def grey(file: Path, level: int = 9, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * 3).save(file)
    return file


def detector(**changes: Any) -> Any:
    """One that reads files as they are and gives their grey levels."""
    trial = SimpleNamespace(resize="stretch", image_size=64, tiles=0)
    saved = SimpleNamespace(sizes=("8x6", "4x4"), modes=("RGB", "L"), trial=trial, image_shape=(64, 64))

    def read(file: Path) -> np.ndarray:
        try:
            return np.asarray(Image.open(file).convert("RGB"))
        except OSError as error:
            raise DataError(f"{file.name} is no image") from error

    found = SimpleNamespace(saved=saved, read=read, limit=5.0, decide_at_once=decide, decide=decide)
    vars(found).update(changes)
    return found


def decide(pixels: np.ndarray, names: tuple[str, ...]) -> Decided:
    scores = pixels.mean(axis=(1, 2, 3))
    return Decided(scores, scores > 5, pixels.mean(axis=3), scores / 100)


def test_the_first_image_of_another_size_or_mode_is_remarked_on_and_no_other_of_that_kind(tmp_path: Path) -> None:
    odd = UnusualImages(detector())
    assert odd.remark(grey(tmp_path / "usual.png")) == ""
    said = odd.remark(grey(tmp_path / "large.png", size=(9, 6)))
    assert said.endswith(
        "large.png is 9x6, most images of the data set that the model was fitted on are 8x6: it is made RGB and resized "
        "to 64x64 as at the fit; others like it are not named"
    )
    assert odd.remark(grey(tmp_path / "larger.png", size=(10, 6))) == ""
    assert "is L, most images of the data set that the model was fitted on are RGB" in odd.remark(
        grey(tmp_path / "l.png", size=(3, 3), mode="L")
    )
    assert odd.remark(grey(tmp_path / "l2.png", mode="L")) == ""
    (tmp_path / "text.png").write_text("no image")
    assert UnusualImages(detector()).remark(tmp_path / "text.png") == "", "that it cannot be read is said elsewhere"
    both = UnusualImages(detector()).remark(tmp_path / "l.png")
    assert "is 3x3 L, most images of the data set that the model was fitted on are 8x6 RGB" in both
    unknown = detector()
    unknown.saved.sizes = unknown.saved.modes = ()
    assert UnusualImages(unknown).remark(tmp_path / "l.png") == "", "an older model knows no sizes"


@pytest.mark.parametrize(
    ("resize", "said"), [("pad", "resized to at most 64 pixels a side as"), ("tiles", "cut into tiles of 16 as")]
)
def test_what_is_done_to_an_odd_image_is_what_the_model_is_given(tmp_path: Path, resize: str, said: str) -> None:
    one = detector()
    one.saved.trial.resize, one.saved.trial.tiles = resize, 16
    assert said in UnusualImages(one).remark(grey(tmp_path / "l.png", size=(3, 3)))


def test_places_of_one_name_get_numbers_and_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    first, second = grey(tmp_path / "a/part.png"), grey(tmp_path / "b/part.png")
    third = grey(tmp_path / "c/part.png")
    (tmp_path / "none").mkdir()
    (tmp_path / "a/notes.txt").write_text("x")
    files = ImageFiles([first, second, third, tmp_path / "a", tmp_path / "none"], tmp_path / "b")
    found = list(files)
    assert [(one.file, str(one.name)) for one in found[:4]] == [
        (first, "part.png"), (second, "part-2.png"), (third, "part-3.png"), (first, "a/part.png")
    ]  # fmt: skip
    assert found[4].problem.startswith(f"folder {tmp_path / 'none'} holds no image: expected .png, ")
    assert [one.path.name for one in files.passed_over] == ["notes.txt"]
    assert [one.name for one in ImageFiles([tmp_path], tmp_path / "b")] == [Path(tmp_path.name, *parts) for parts in (("a", "part.png"), ("c", "part.png"))]  # fmt: skip


def test_a_batch_that_fails_is_judged_image_by_image_and_sizes_are_kept_apart() -> None:
    def fails_on_black(pixels: np.ndarray, names: tuple[str, ...]) -> Decided:
        if not pixels.any(axis=(1, 2, 3)).all():
            raise ModelError(f"dae cannot score {names[0]}") if len(names) == 1 else ValueError(names)
        return decide(pixels, names)

    def image(name: str, level: int, side: int = 4) -> Read:
        return Read(Path(name), Path(name), np.full((side, side, 3), level, np.uint8))

    lost = Read(Path("x"), Path("x"), None, "x is gone")
    found = judge(fails_on_black, [image("a", 3), lost, image("b", 0), image("c", 9), image("d", 7, side=5)])
    assert [(str(one.file), one.score, one.decision, one.problem) for one in found] == [
        ("a", 3.0, "normal", ""),
        ("x", None, "unreadable", "x is gone"),
        ("b", None, "unreadable", "dae cannot score b"),
        ("c", 9.0, "anomalous", ""),
        ("d", 7.0, "anomalous", ""),
    ]
    assert [one.p_value for one in found] == [0.03, None, None, 0.09, 0.07]
    assert found[4].map is not None
    assert found[4].map.shape == (5, 5)
    assert found[4].pixels is not None

    def crashes(pixels: np.ndarray, names: tuple[str, ...]) -> Decided:
        raise RuntimeError("two\nlines")

    (one,) = judge(crashes, [image("a", 3)])
    assert one.problem == "a: RuntimeError: two lines"
    bare = judge(lambda pixels, names: Decided(np.ones(1), np.ones(1) > 0, None), [image("a", 3)])[0]
    assert (bare.map, bare.p_value, bare.decision) == (None, None, "anomalous")
    assert judge(crashes, []) == []


@pytest.mark.parametrize(("shape", "most"), [((64, 64), 16), ((1024, 1024), 16), ((1024, 2048), 8), ((5000, 4000), 1)])
def test_images_are_judged_sixteen_at_a_time_or_as_many_as_have_sixteen_million_pixels(
    shape: tuple[int, int], most: int
) -> None:
    one = detector()
    one.saved.image_shape = shape
    assert at_once(one) == most


@pytest.mark.parametrize(("limit", "unit"), [(4.0, 4.0), (0.0, 1.0), (-2.0, 1.0)])
def test_a_map_is_as_large_as_its_file_and_its_unit_is_a_limit_above_nothing(
    tmp_path: Path, limit: float, unit: float
) -> None:
    file = grey(tmp_path / "one.png", 12, size=(8, 6))
    found = map_of(detector(limit=limit), file)
    assert found.shape == (6, 8)
    assert np.allclose(found, 12 / unit)
    ramp = np.arange(12.0).reshape(1, 3, 4)
    small = detector(limit=limit, decide=lambda pixels, names: Decided(np.ones(1), np.ones(1) > 0, ramp))
    larger = map_of(small, file)
    assert larger.shape == (6, 8)
    assert (np.diff(larger, axis=1) >= 0).all()
    assert larger.max() == pytest.approx(11 / unit)


def test_a_model_is_found_by_its_path_its_name_its_id_or_the_beginning_of_one(tmp_path: Path) -> None:
    kept = tmp_path / "runs" / "models"
    for name in ("bottle-dae-seed0-1143c4e8", "bottle-dae-seed1-22aa0000", ".draft"):
        (kept / name).mkdir(parents=True)
    one = kept / "bottle-dae-seed0-1143c4e8"
    store = tmp_path / "runs"
    for asked in (str(one), one.name, "bottle-dae-seed0", "1143c4e8", "1143", f"{kept}/1143c4e8"):
        assert directory_of(asked, store) == one
    with pytest.raises(
        UsageError, match=r"^'bottle-dae' is the beginning of 2 models in .*: bottle-dae-seed0-1143c4e8, bot"
    ):
        directory_of("bottle-dae", store)
    for asked in ("nothing", ".draft", "143c4e8"):
        with pytest.raises(UsageError, match=r"no model .*Available: bottle-dae-seed0.* or give the path of one"):
            directory_of(asked, store)
    with pytest.raises(UsageError, match=r"Available: none\. `harness run --keep-models` keeps models in "):
        directory_of("dae", tmp_path / "elsewhere")
    (tmp_path / "other").mkdir()
    (kept / "zipper-link-0000").symlink_to(tmp_path / "other")
    with pytest.raises(UsageError, match="is a link that leads out of its folder"):
        directory_of("zipper-link", store)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_file_is_judged_when_it_has_not_changed_between_two_looks(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    watch = Watch(tmp_path, detector(), tmp_path / "maps")
    names = ["b.png", "a.png"]
    for name in names:
        grey(tmp_path / name)
    grey(tmp_path / "maps" / "a.png")
    assert watch.arrivals(pool) == [], "the first look notes what is there"
    assert [one.file.name for one in watch.arrivals(pool)] == ["a.png", "b.png"]
    assert watch.arrivals(pool) == []
    os.utime(grey(tmp_path / "a.png"), ns=(1, 1))
    assert watch.arrivals(pool) == []
    assert watch.arrivals(pool) == [], "written again with the same pixels"
    grey(tmp_path / "a.png", 77)
    assert watch.arrivals(pool) == []
    (again,) = watch.arrivals(pool)
    assert again.pixels is not None
    assert (str(again.name), int(again.pixels[0, 0, 0])) == ("a.png", 77)
    (tmp_path / "a.png").unlink()
    watch.arrivals(pool)
    grey(tmp_path / "a.png", 77)
    watch.arrivals(pool)
    assert [one.file.name for one in watch.arrivals(pool)] == ["a.png"], "it went away, and another came"


def test_what_cannot_be_read_is_reported_once_after_some_patience(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(tmp_path, detector())
    (tmp_path / "half.png").write_text("not yet")
    for _ in range(3):
        assert watch.arrivals(pool) == []
    monkeypatch.setattr(watching, "PATIENCE_S", 0.0)
    (one,) = watch.arrivals(pool)
    assert (str(one.name), one.pixels, one.problem) == ("half.png", None, "half.png is no image")
    assert watch.arrivals(pool) == []
    grey(tmp_path / "half.png")
    watch.arrivals(pool)
    assert [one.problem for one in watch.arrivals(pool)] == [""], "it is judged once it is whole"


def test_an_engine_is_warmed_up_timed_so_often_and_asked_for_its_scores() -> None:
    calls: list[int] = []

    def graph(inputs: Any) -> Any:
        calls.append(len(inputs["pixels"]))
        time.sleep(0.002)
        return {SCORE: np.full(len(inputs["pixels"]), 0.5)}

    task = Task(lambda: graph, [{"pixels": np.zeros((n, 2, 2, 3), np.uint8)} for n in (1, 4)], warm_up=2, repetitions=3)
    one, four = _measure(task)
    assert calls == [1] * 6 + [4] * 6, "once for the scores, twice to warm up, and three times by the clock"
    assert (len(one.milliseconds), len(four.milliseconds)) == (3, 3)
    assert (one.milliseconds >= 2).all()
    assert (one.milliseconds < 2000).all()
    assert (one.scores.tolist(), four.scores.tolist()) == ([0.5], [0.5] * 4)
    assert 0 <= one.peak_mb < 10_000


def test_whatever_a_data_set_raises_is_the_problem_of_its_file_but_for_a_person_who_stops() -> None:
    def raising(error: BaseException) -> Any:
        def read_file(file: Path) -> np.ndarray:
            raise error

        return detector(read=read_file)

    found = Found(Path("a.png"), Path("b/a.png"))
    for error, said in (
        (DataError("a.png is cut off"), "a.png is cut off"),
        (ValueError("two\nlines"), "a.png: ValueError: two lines"),
        (SystemExit(3), "a.png: SystemExit: 3"),
    ):
        one = read(raising(error), found)
        assert (one.file, one.name, one.pixels, one.problem) == (found.file, found.name, None, said)
    with pytest.raises(KeyboardInterrupt):
        read(raising(KeyboardInterrupt()), found)
    assert read(detector(), found._replace(problem="a folder that is gone")).problem == "a folder that is gone"


@pytest.mark.parametrize("shape", [(7, 20), (20, 7)])
def test_an_image_that_is_smaller_than_a_tile_on_either_side_is_refused(shape: tuple[int, int]) -> None:
    trial = SimpleNamespace(image_size=0, tiles=8)
    dataset = SimpleNamespace(read=lambda file, size: np.zeros((*shape, 3), np.uint8))
    cut = Detector(SimpleNamespace(trial=trial), None, dataset, "max", "mean", 1.0)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"is {shape[1]}x{shape[0]}: expected at least a tile of 8x8"):
        cut.read(Path("small.png"))
    trial.tiles = 7
    assert cut.read(Path("small.png")).shape == (*shape, 3)


def test_a_model_that_takes_no_pool_is_judged_by_another_threshold_and_one_whose_pool_is_gone_is_not() -> None:
    class Half(Threshold):
        name = "half"

        def fit(self, normal: np.ndarray) -> float:
            return float(normal.max()) / 2

    saved: Any = SimpleNamespace(calibration={"-": np.array([1.0, 4.0]), "power": np.array([2.0])})
    model = Detector(saved, None, None, "-", "mean", 2.5)  # type: ignore[arg-type]
    again = model.judging(Half())
    assert (again.limit, again.threshold, again.pool) == (2.0, "half", "-")
    assert model.judging() is model
    with pytest.raises(UsageError, match="pool 'power', which this model has scores of, is offered by no plugin here"):
        model.judging(Half(), "power")
    with pytest.raises(UsageError, match="this model takes no pool 'max': no pool 'max'. Available: -, power"):
        model.judging(Half(), "max")
