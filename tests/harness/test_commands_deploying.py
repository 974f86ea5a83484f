"""What `pack` and `latency` say and refuse, without an engine: what they are told is made here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.api import Images
from harness.commands import latency, main, pack
from harness.deployment.engines import ENGINES
from harness.deployment.latency import Protocol
from harness.deployment.packing import Agreement, Packed
from harness.errors import DataError, UsageError
from harness.plugin.registry import Registry
from harness.trials import hardware
from harness.trials.database import FILE_NAME
from harness.trials.datasets import open_dataset
from harness.trials.latencies import Latency
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial

TRIAL = Trial("synthetic", "tile", "padim", "conv", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
ONE = Latency("ONNX Runtime", "1.32.0", 1, 12.34, 13.0, 14.0, 80.0, 90.0, 10, 100, 2, "Some CPU", "Linux", "", "2026")


def packed(folder: Path, *, other: int = 0, inputs: tuple[str, ...] = ()) -> Packed:
    for name, size in (("line.onnx", 2_000_000), ("line.json", 300_000), ("line.bin", 1_000_000)):
        (folder / name).write_bytes(b"x" * size)
    agreement = Agreement("ONNX Runtime", "1.32", 12, 0.00042, "good/003.png", other)
    return Packed(folder / "line.onnx", (folder / "line.json", folder / "line.bin"), inputs, agreement)


def said_of(written: Packed, capsys: pytest.CaptureFixture[str], form: str = "onnx", **settings: Any) -> list[str]:
    detector: Any = SimpleNamespace(saved=SimpleNamespace(trial=TRIAL._replace(**settings)))
    pack._say(written, detector, form)
    return capsys.readouterr().out.splitlines()


def test_pack_says_what_was_written_its_size_and_how_it_was_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_of(packed(tmp_path), capsys) == [
        f"Written to {tmp_path}/line.onnx, with line.json and line.bin; 3.3 MB in all.",
        "On ONNX Runtime 1.32 the scores of 12 normal images differ from torch's by 4.2e-04 of their size at most, "
        "at good/003.png.",
        "Images are to be resized to 16x16 before it; the JSON says how.",
    ]


def test_pack_says_what_has_to_be_done_where_the_graph_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said_of(packed(tmp_path, other=2, inputs=("noise", "mask")), capsys)
    assert lines[2] == "2 of them lie so near the limit that they are decided otherwise."
    assert lines[3] == "It takes noise and mask beside pixels, drawn as for the stored scores."
    padded = said_of(packed(tmp_path), capsys, resize="pad")
    assert padded[-1] == "Images are to be padded to 16x16 before it; the JSON says how, and what counts."
    cut = said_of(packed(tmp_path), capsys, tiles=8, resize="tiles")
    assert cut[-1] == "It takes tiles of 8x8 and gives their maps; the JSON says how to cut and to join."
    ((name, value),) = ENGINES["openvino"].settings.items()
    assert f"ONNX Runtime needs {name} at {value} wherever it runs, as it had here." in said_of(
        packed(tmp_path), capsys, form="openvino"
    )


def fitted(**more: Any) -> Any:
    """A detector of the synthetic tiles, as far as the images to verify on take it."""
    trial = TRIAL._replace(**more)
    registry = Registry.discover()
    split = open_dataset(registry, trial.dataset, None).load(trial.category, trial.image_size)
    return SimpleNamespace(saved=SimpleNamespace(trial=trial, fingerprint=split.fingerprint)), registry, split


def test_a_graph_is_verified_on_images_that_were_held_out_else_on_normal_test_images() -> None:
    detector, registry, split = fitted(dataset="synthetic[n_train=8,n_test_good=3,n_test_defective=2]")
    unseen = pack._calibration(detector, registry, None)
    good = split.test.pixels[~split.test.labels]
    assert np.array_equal(unseen.pixels, good), "the fitted ones are known by heart"
    assert len(good) == 3
    detector.saved.trial = detector.saved.trial._replace(holdout=0.25)
    held_out = pack._calibration(detector, registry, None)
    assert len(held_out) == 2
    assert set(held_out.paths) < set(split.train.paths)
    detector.saved.trial = detector.saved.trial._replace(holdout=0.0, calibrate="crossfit")
    assert len(pack._calibration(detector, registry, None)) == 3


def test_a_graph_is_not_verified_on_other_data_than_the_model_was_fitted_on(tmp_path: Path) -> None:
    detector, registry, split = fitted(dataset="synthetic[n_train=8,n_test_good=3,n_test_defective=2]")
    detector.saved.fingerprint = "0123456789abcdef"
    with pytest.raises(UsageError) as refused:
        pack._calibration(detector, registry, None)
    assert str(refused.value).endswith(
        f"tile is not the data that the model was fitted on: its fingerprint is {split.fingerprint}, expected "
        "0123456789abcdef. Give the --data-root of that, or --images with a folder of normal ones"
    )
    detector.saved.trial = TRIAL._replace(dataset="mvtec_ad", category="screw")
    with pytest.raises(UsageError) as rootless:
        pack._calibration(detector, registry, None)
    assert str(rootless.value) == (
        "no images to verify the graph on: give --data-root with mvtec_ad's screw, or --images with a folder of "
        "normal ones"
    )
    with pytest.raises(DataError, match="train/good"):
        pack._calibration(detector, registry, tmp_path)


def test_images_of_a_folder_may_differ_in_size_and_are_framed_alike(tmp_path: Path) -> None:
    detector: Any = SimpleNamespace(read=lambda file: np.asarray(Image.open(file)))
    for name, (width, height) in {"b.png": (6, 4), "a.png": (3, 5)}.items():
        Image.fromarray(np.full((height, width, 3), 7, np.uint8)).save(tmp_path / name)
    images = pack._folder(detector, tmp_path)
    assert isinstance(images, Images)
    assert images.pixels.shape == (2, 5, 6, 3)
    assert images.paths == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    assert images.boxes is not None
    assert images.boxes.tolist() == [[0, 0, 5, 3], [0, 0, 4, 6]]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"^--images: folder .*/empty holds no image: expected "):
        pack._folder(detector, tmp_path / "empty")


def asked_to_pack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> tuple[Result, list[Any]]:
    """What `pack` does with a model that decides by `mean` and `quantile`, and what it packs in the end."""
    seen: list[Any] = []

    class Kept:
        remarks = ("it was fitted by\nan older one",)
        threshold, pool, saved = "mean", "max", SimpleNamespace(trial=TRIAL)

        def judging(self, threshold: Any, pool: str | None) -> Any:
            other = Kept()
            other.threshold, other.pool = threshold.name, pool or "as before"
            return other

    def loaded(directory: Path, registry: Registry, *, weights_dir: Path | None) -> Kept:
        seen.append((directory, weights_dir))
        return Kept()

    def written(detector: Any, normal: Any, form: str, out: Path) -> Packed:
        seen.append((detector.threshold, detector.pool, normal, form, out))
        return packed(tmp_path)

    monkeypatch.setattr(pack, "load", loaded)
    monkeypatch.setattr(pack, "engine_of", lambda form: seen.append(form))
    monkeypatch.setattr(pack, "pack", written)
    monkeypatch.setattr(pack, "_calibration", lambda detector, registry, root: ("calibration", root))
    monkeypatch.setattr(pack, "_folder", lambda detector, folder: ("folder", folder))
    kept = tmp_path / "runs" / "models" / "bottle-padim-1143c4e8"
    kept.mkdir(parents=True)
    return CliRunner().invoke(main, ["pack", "bottle", "--store", str(tmp_path / "runs"), *words]), seen


def test_pack_decides_as_the_model_was_kept_unless_another_threshold_or_pool_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done, seen = asked_to_pack(monkeypatch, tmp_path, "--format", "onnx", "--out", "x.onnx", "--data-root", "d")
    assert done.exit_code == 0, done.output
    assert done.stderr == "harness: it was fitted by\\nan older one\n"
    place = (tmp_path / "runs" / "models" / "bottle-padim-1143c4e8", None)
    assert seen == ["onnx", place, ("mean", "max", ("calibration", Path("d")), "onnx", Path("x.onnx"))]


@pytest.mark.parametrize(
    ("words", "decides"),
    [
        (["--threshold", "quantile"], ("quantile", "as before")),
        (["--pool", "topk"], ("mean", "topk")),
        (["--pool", "topk", "--threshold", "quantile"], ("quantile", "topk")),
    ],
)
def test_pack_takes_another_threshold_a_pool_or_both(
    words: list[str], decides: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    more = ["--format", "openvino", "--images", "photos", "--weights-dir", "w"]
    done, seen = asked_to_pack(monkeypatch, tmp_path, *words, *more)
    assert done.exit_code == 0, done.output
    assert seen[1][1] == Path("w")
    assert seen[2] == (*decides, ("folder", Path("photos")), "openvino", Path())


def outcome() -> Outcome:
    scores = np.array([0.1, 0.6, 0.7, 0.4])
    evidence = Evidence({"mean": scores[:1]}, {"mean": scores}, ("good", "good", "crack", "hole"), tuple("abcd"))
    return Outcome(TRIAL, "done", "", "f00d", evidence, Record(default_pool="mean", fit_seconds=2.0))


def measured(
    monkeypatch: pytest.MonkeyPatch, root: Path, *words: str, trial: Trial = TRIAL, shape: tuple[int, int] = (16, 16)
) -> tuple[Result, list[Any]]:
    """What `latency` does with a model in the store `runs`, where an engine takes as long as said here."""
    seen: list[Any] = []

    def taken(place: Any, engines: list[str], protocol: Protocol, begun: Any) -> list[Latency]:
        seen.append((place, engines, protocol))
        begun(engines[0])
        return [ONE]

    saved = SimpleNamespace(trial=trial, image_shape=shape, id=outcome().id)
    monkeypatch.setattr(latency, "read", lambda directory: saved)
    monkeypatch.setattr(latency, "latencies", taken)
    monkeypatch.setattr(latency, "engine_of", lambda name: None)
    monkeypatch.setattr(hardware, "cores", lambda: 5)
    (root / "runs" / "models" / "tile-padim-1143c4e8").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(root)
    return CliRunner().invoke(main, ["latency", *words]), seen


def latency_of(store: Path) -> tuple[Latency, ...]:
    with Store(store) as opened:
        (one,) = opened.outcomes()
    return one.record.latency


def test_latency_measures_each_engine_as_usual_and_names_model_and_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done, [(place, engines, protocol)] = measured(monkeypatch, tmp_path, "tile", "--format", "md")
    assert done.exit_code == 0, done.output
    assert (place.directory, place.plugin_files, place.weights_dir) == (Path("runs/models/tile-padim-1143c4e8"), (), None)  # fmt: skip
    assert (engines, protocol) == (["torch", "onnx", "openvino"], Protocol(8, 10, 100, 5))
    assert done.stderr == "measuring on torch\n", "there is no store that could show it"
    assert "padim + conv · tile · 16 px" in done.stdout
    assert "px in" not in done.stdout
    framed = TRIAL._replace(resize="tiles", tiles=8, overlap=2)
    cut, _ = measured(monkeypatch, tmp_path, "tile", "--format", "md", trial=framed, shape=(8, 14))
    assert "padim + conv · tile · 14x8 px in 2 tiles" in cut.stdout


def test_latency_measures_as_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = "tile --engines onnx --batch 3 --warm-up 0 --repetitions 4 --threads 2 --weights-dir w --plugin p.py"
    done, [(place, engines, protocol)] = measured(monkeypatch, tmp_path, *words.split())
    assert done.exit_code == 0, done.output
    assert (place.plugin_files, place.weights_dir) == ((Path("p.py"),), Path("w"))
    assert (engines, protocol) == (["onnx"], Protocol(3, 0, 4, 2))


def test_latency_goes_into_the_store_that_the_model_lies_in_or_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Store(tmp_path / "runs", write=True) as store:
        store.put(outcome())
    done, _ = measured(monkeypatch, tmp_path, "tile")
    assert done.stderr.splitlines()[1] == f"`harness leaderboard --store {tmp_path / 'runs'}` shows it."
    assert latency_of(tmp_path / "runs") == (ONE,)
    with Store(tmp_path / "other", write=True) as store:
        store.put(outcome())
    elsewhere, _ = measured(monkeypatch, tmp_path, "runs/models/tile-padim-1143c4e8", "--store", "other")
    assert elsewhere.stderr.splitlines()[1] == "`harness leaderboard --store other` shows it."
    assert latency_of(tmp_path / "other") == (ONE,)


def test_latency_says_where_a_store_lacks_the_trial_and_stops_early_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Store(tmp_path / "empty", write=True).close()
    model = "runs/models/tile-padim-1143c4e8"
    done, _ = measured(monkeypatch, tmp_path, model, "--store", "empty")
    assert done.stderr.splitlines()[1] == f"empty has no trial {outcome().id} to show it."
    none, seen = measured(monkeypatch, tmp_path, model, "--store", "nowhere")
    assert (none.exit_code, seen) == (2, []), "nothing is measured that cannot be kept"
    assert "no store at" in none.stderr
    assert not (tmp_path / "nowhere" / FILE_NAME).exists()


def test_engines_that_are_not_installed_are_named_and_one_that_is_is_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> None:
        raise UsageError(f"{name} is not installed: pip install it")

    monkeypatch.setattr(latency, "engine_of", absent)
    assert latency._installed(["onnx", "torch"]) == ["torch"]
    assert capsys.readouterr().err == "harness: onnx is not installed: pip install it\n"
    with pytest.raises(UsageError, match=r"^onnx is not .* it; openvino is not .* it$"):
        latency._installed(["onnx", "openvino"])
    assert capsys.readouterr().err == ""


def test_an_engine_that_does_not_exist_is_refused_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done, seen = measured(monkeypatch, tmp_path, "tile", "--engines", "onx")
    assert (done.exit_code, seen) == (2, [])
    assert "no engine 'onx'. Did you mean 'onnx'?" in done.stderr
