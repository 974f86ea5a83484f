"""What packs and measures a kept model, piece by piece, on a tiny model and engines that are functions of these tests."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness import Images, Model, PackingError, Pool, UnavailableError, UsageError
from harness.deployment import conversion, engines, latency, measuring, packing
from harness.deployment.conversion import decision_of, engine_of, graph_inputs, relative_difference, write_graph
from harness.deployment.detector import Detector
from harness.deployment.engines import ENGINES, MAP, PIXELS, SCORE, Engine, first_line, need
from harness.deployment.latency import Place, Protocol, latencies
from harness.deployment.measuring import Task, Times, measure
from harness.deployment.packing import compare, pack
from harness.trials.saved_model import SavedModel
from harness.trials.trial import Trial

torch = pytest.importorskip("torch")

TRIAL = Trial("dots", "large", "tiny", "-", "-", 0, 8, 0, 0, 0.0, 0.0, "fp32", "-")


class Grey(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Gives the mean of the channels, and adds what it is given beside."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)
        self.gain = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: Any, *beside: Any) -> Any:
        return self.gain * self.drop(images.mean(dim=1)) + sum(beside)


class Whole(torch.nn.Module):  # type: ignore[misc,name-defined]
    def forward(self, images: Any) -> Any:
        return images.mean(dim=(1, 2, 3))


class Tiny(Model):
    name = "tiny"
    uses = frozenset({"pool"})

    def __init__(self, network: Any = Grey, beside: tuple[str, ...] = ()) -> None:
        self._network, self._beside = network, beside

    def fit(self, normal: Any, *, encoder: Any, loss: Any, run: Any) -> None: ...

    def score(self, images: Images) -> Any:
        raise NotImplementedError

    def network(self) -> Any:
        return self._network()

    def side_inputs(self, pixels: Any) -> Any:
        return {name: np.full((len(pixels), 8, 8), at, np.float32)[:, ::-1] for at, name in enumerate(self._beside, 1)}


class Largest(Pool):
    name = "largest"

    def score(self, maps: Any) -> Any:
        return maps.max(axis=(1, 2))

    def tensor(self, maps: Any) -> Any:
        return maps.amax(dim=(1, 2))


LARGEST = Largest()


class Untorched(Largest):
    name = "untorched"
    tensor = Pool.tensor


def detector(network: Any = Grey, beside: tuple[str, ...] = (), pool: Pool | None = LARGEST, **trial: Any) -> Detector:
    name = "-" if pool is None else pool.name
    saved = SavedModel(
        TRIAL._replace(**trial),
        "f1nger",
        name,
        "mean",
        0.5,
        {name: np.array([0.25, 0.75])},
        sizes=("8x8",),
        plugins={"model": "tiny (tests 1)"},
        versions={"numpy": "0"},
    )
    return Detector(saved, Tiny(network, beside), None, name, "mean", 0.5, pools={} if pool is None else {name: pool})  # type: ignore[arg-type]


def images(count: int, side: int = 8) -> Images:
    levels = np.linspace(0, 250, count).astype(np.uint8)
    pixels = np.broadcast_to(levels[:, None, None, None], (count, side, side, 3)).copy()
    return Images(pixels, tuple(f"{at}.png" for at in range(count)))


def test_a_decision_scales_pixels_scores_them_by_the_pool_and_is_above_the_limit_only() -> None:
    decision = decision_of(detector())
    pixels = np.zeros((3, 8, 8, 3), np.uint8)
    pixels[1, 2, 3], pixels[2, 2, 3] = 255, 51
    score, anomalous, maps = decision(torch.from_numpy(pixels))
    assert score.tolist() == pytest.approx([0.0, 1.0, 0.2])
    assert anomalous.tolist() == [False, True, False]
    assert maps.shape == (3, 8, 8)
    assert maps[1, 2, 3] == 1.0
    assert maps[1].sum() == pytest.approx(1.0), "rows stay rows, and columns columns"
    assert decision.outputs == ("score", "anomalous", "map")
    decision.limit = 1.0
    assert decision(torch.from_numpy(pixels))[1].tolist() == [False, False, False], "a score at the limit is normal"


def test_a_decision_without_a_pool_gives_scores_alone() -> None:
    decision = decision_of(detector(Whole, pool=None))
    score, anomalous = decision(torch.from_numpy(np.full((2, 8, 8, 3), 255, np.uint8)))
    assert (score.tolist(), anomalous.tolist()) == ([1.0, 1.0], [True, True])
    assert decision.outputs == ("score", "anomalous")


def test_the_network_of_a_decision_learns_nothing_and_drops_nothing() -> None:
    for decision in (decision_of(detector()), decision_of(detector(tiles=4, overlap=1))):
        assert not decision.network.training
        assert not any(one.requires_grad for one in decision.network.parameters())


def test_a_pool_without_a_torch_form_is_refused_before_anything_is_exported() -> None:
    with pytest.raises(PackingError, match="untorched"):
        decision_of(detector(pool=Untorched()))


def test_of_a_model_that_is_given_squares_the_part_that_sees_squares_is_packed() -> None:
    for trial in ({"tiles": 4, "overlap": 1}, {"resize": "pad"}):
        piece = decision_of(detector(**trial))
        assert piece.outputs == ("map",)
        (maps,) = piece(torch.from_numpy(np.full((2, 4, 4, 3), 51, np.uint8)))
        assert maps.shape == (2, 4, 4)
        assert maps.flatten()[0] == pytest.approx(0.2)
    assert decision_of(detector(Whole, pool=None, tiles=4, overlap=1)).outputs == ("score",)


def test_a_graph_in_torch_has_the_outputs_of_a_packed_one_by_name() -> None:
    from harness.deployment.graph import TorchGraph

    found = TorchGraph(decision_of(detector()))({PIXELS: images(2).pixels})
    assert list(found) == ["score", "anomalous", "map"]
    assert all(isinstance(one, np.ndarray) for one in found.values())
    beside = TorchGraph(decision_of(detector(beside=("noise",))))
    assert beside({PIXELS: images(1).pixels, "noise": np.ones((1, 8, 8), np.float32)})["score"].tolist() == [1.0]


class Exported:
    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.model = SimpleNamespace(metadata_props={})

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(self.model.metadata_props))


@pytest.mark.parametrize(("count", "beside"), [(1, ()), (2, ()), (2, ("noise", "more"))])
def test_the_exporter_is_given_names_and_an_open_number_of_images_where_it_has_several(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int, beside: tuple[str, ...]
) -> None:
    from harness.deployment.graph import export

    exported, one = Exported(), detector(beside=beside)
    decision = decision_of(one)

    def export_program(module: Any, arguments: Any, **given: Any) -> Exported:
        exported.given = {"module": module, "arguments": arguments, **given}
        return exported

    monkeypatch.setattr(torch.onnx, "export", export_program)
    example = next(graph_inputs(one, images(count), beside, 2))
    export(decision, example, '{"a": 1}', tmp_path / "a.onnx")
    assert json.loads((tmp_path / "a.onnx").read_text()) == {"harness": '{"a": 1}'}
    given = exported.given
    assert given["module"] is decision
    assert [tuple(one.shape) for one in given["arguments"]] == [(count, 8, 8, 3)] + [(count, 8, 8)] * len(beside)
    assert (given["input_names"], given["output_names"]) == (["pixels", *beside], ["score", "anomalous", "map"])
    assert given["dynamo"] is True
    size = {0: torch.export.Dim.DYNAMIC if count > 1 else torch.export.Dim.STATIC}
    assert given["dynamic_shapes"] == ((size, (size,) * len(beside)) if beside else (size,))


def test_what_the_exporter_says_is_one_line_and_it_says_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from harness.deployment.graph import export

    loggers = {name: logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")}
    for logger in loggers.values():
        monkeypatch.setattr(logger, "level", logging.INFO)
    levels = []

    def fails(*given: Any, **more: Any) -> None:
        levels.extend(logger.level for logger in loggers.values())
        warnings.warn("about its own future", stacklevel=1)
        raise RuntimeError("long\ntext") from (ValueError("no such operator\nand more") if len(levels) > 4 else None)

    monkeypatch.setattr(torch.onnx, "export", fails)
    one = detector()
    example = next(graph_inputs(one, images(1), (), 2))
    for said in ("RuntimeError: long", "ValueError: no such operator"):
        with pytest.raises(UnavailableError) as caught:
            export(decision_of(one), example, "", tmp_path / "a.onnx")
        assert str(caught.value) == f"torch cannot export it: {said}"
    assert set(levels) == {logging.ERROR}
    assert {logger.level for logger in loggers.values()} == {logging.INFO}


def test_the_inputs_of_a_graph_are_whole_arrays_in_batches_with_what_stands_beside() -> None:
    found = list(graph_inputs(detector(beside=("noise",)), images(5), ("noise",), 2))
    assert [len(one[PIXELS]) for one in found] == [2, 2, 1]
    assert [list(one) for one in found] == [["pixels", "noise"]] * 3
    assert all(array.flags["C_CONTIGUOUS"] for one in found for array in one.values())
    assert np.array_equal(np.concatenate([one[PIXELS] for one in found]), images(5).pixels)
    assert list(next(graph_inputs(detector(beside=("noise",)), images(1), (), 2))) == ["pixels"]


def test_differences_are_relative_and_what_is_no_number_differs_infinitely() -> None:
    found = relative_difference(np.array([1.5, -3.0, 0.0, 1.0, np.nan]), np.array([1.0, -2.0, 0.0, 0.0, 1.0]))
    assert found.tolist() == [0.5, 0.5, 0.0, np.inf, np.inf]


def grey(inputs: Any) -> Any:
    """What the tiny model scores."""
    return (inputs[PIXELS].mean(axis=3).max(axis=(1, 2)) / 255).astype(np.float32)


def fake_engine(**changes: Any) -> Engine:
    def convert(onnx: Path, metadata: str, file: Path) -> None:
        file.write_text(metadata)

    given: dict[str, Any] = {
        "title": "Fake Runtime",
        "package": "numpy",
        "extra": "fake",
        "suffix": ".fake",
        "convert": convert,
        "open": lambda file, threads: lambda inputs: {SCORE: grey(inputs), "anomalous": grey(inputs) > 0.5},
        "metadata": Path.read_text,
        "settings": {"PRECISION": "full"},
    }
    return Engine(**given | changes)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An engine called `fake`, and an exporter that notes what it is given."""
    exports: list[Any] = []

    def export(decision: Any, example: Any, metadata: str, file: Path) -> None:
        exports.append((decision, example, json.loads(metadata)))
        file.write_text("onnx")

    monkeypatch.setattr("harness.deployment.graph.export", export)
    for module in (engines, conversion, latency):
        monkeypatch.setattr(module, "ENGINES", {"fake": fake_engine()})
    monkeypatch.setattr(conversion, "need", lambda package, extra: None)
    return exports


def test_a_format_without_an_engine_and_a_package_that_is_missing_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^no format 'onx'. Did you mean 'onnx'\? Available: onnx, openvino.$"):
        engine_of("onx")
    asked = []
    monkeypatch.setattr(conversion, "need", lambda *given: asked.append(given))
    assert engine_of("openvino") is ENGINES["openvino"]
    assert asked == [("onnxscript", "openvino"), ("openvino", "openvino")]
    with pytest.raises(UsageError) as caught:
        need("no_such_runtime", "onnx")
    assert str(caught.value) == "no_such_runtime is not installed: pip install 'anomaly-harness[onnx]'"
    assert need("json", "onnx") is json


def test_what_goes_into_a_file_describes_the_model_and_what_must_be_done_around_it(
    fake: list[Any], tmp_path: Path
) -> None:
    one = detector(beside=("noise",))
    said, most = write_graph(one, images(3), ("noise",), "fake", tmp_path / "a.fake")
    ((decision, example, written),) = fake
    assert most == 16
    assert said == json.loads((tmp_path / "a.fake").read_text()) == written
    assert decision.outputs == ("score", "anomalous", "map")
    assert example[PIXELS].shape == (2, 8, 8, 3), "two images say that there may be any number"
    assert np.array_equal(example[PIXELS][0], images(3).pixels[0])
    assert [file.name for file in tmp_path.iterdir()] == ["a.fake"], "no draft is left"
    versions = said.pop("versions")
    assert versions["fitted"] == {"numpy": "0"}
    assert versions["packed"]["numpy"] == np.__version__
    assert said == {
        "format": 1,
        "trial": one.saved.trial.written(),
        "id": one.saved.id,
        "fingerprint": "f1nger",
        "image_size": 8,
        "pool": "largest",
        "threshold": "mean",
        "limit": 0.5,
        "inputs": {
            "pixels": {"dtype": "uint8", "shape": ["N", 8, 8, 3]},
            "noise": {"dtype": "float32", "shape": ["N", 8, 8]},
        },
        "resizing": "not in the graph: turn an image upright, make it RGB, and resize it to image_size with Pillow's "
        "bilinear filter, which widens where it reduces",
        "precision": "float32",
        "plugins": {"model": "tiny (tests 1)"},
        "settings": {"PRECISION": "full"},
    }


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        ({}, "upright, make it RGB, and resize it to image_size with Pillow's"),
        ({"resize": "pad"}, "upright, make it RGB, and resize and pad it as padding says, with Pillow's"),
        ({"resize": "tiles", "tiles": 4}, "upright, make it RGB, and cut it as tiles says, in its own size"),
        ({"tiles": 4, "image_size": 64}, "make it RGB, resize it to 64x64 with Pillow's bilinear filter, which widens "
         "where it reduces, and cut it as tiles says"),
    ],
)  # fmt: skip
def test_how_an_image_is_read_is_said_for_each_way_to_frame_it(trial: dict[str, Any], said: str) -> None:
    assert said in conversion._reading(TRIAL._replace(**trial))


def test_tiles_are_exported_by_two_squares_and_their_size_is_that_of_the_graph(fake: list[Any], tmp_path: Path) -> None:
    one = detector(tiles=4, overlap=1)
    said, _ = write_graph(one, images(2), (), "fake", tmp_path / "a.fake")
    ((decision, example, _),) = fake
    assert decision.outputs == ("map",)
    assert example[PIXELS].shape == (2, 4, 4, 3)
    assert example[PIXELS][0].tolist() == images(2).pixels[0, :4, :4].tolist()
    assert said["image_size"] == 4
    assert said["tiles"]["size"] == 4
    with pytest.raises(UnavailableError, match="^tiny takes noise and more beside tiles: fit it again$"):
        write_graph(one, images(2), ("noise", "more"), "fake", tmp_path / "a.fake")


def test_a_network_that_is_exported_for_one_image_alone_takes_one(
    fake: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried = []

    def export(decision: Any, example: Any, metadata: str, file: Path) -> None:
        tried.append(len(example[PIXELS]))
        if len(example[PIXELS]) > 1 or detector_of_none:
            raise UnavailableError("torch cannot export it")
        file.write_text("onnx")

    monkeypatch.setattr("harness.deployment.graph.export", export)
    detector_of_none = False
    said, most = write_graph(detector(), images(3), (), "fake", tmp_path / "a.fake")
    assert (tried, most) == ([2, 1], 1)
    assert said["inputs"]["pixels"]["shape"] == [1, 8, 8, 3]
    detector_of_none = True
    with pytest.raises(UnavailableError, match="^torch cannot export it$"):
        write_graph(detector(), images(3), (), "fake", tmp_path / "b.fake")
    assert not (tmp_path / "b.fake").exists()


EXPECTED = np.array([0.0, 125 / 255, 250 / 255])


def agreement(engine: Engine, expected: Any = EXPECTED, most: int = 2, **given: Any) -> Any:
    return compare(engine, Path("a.fake"), expected, images(3), detector(**given), (), most)


def test_the_largest_difference_is_told_with_its_image_and_how_many_are_decided_otherwise() -> None:
    found = agreement(fake_engine(), EXPECTED * [1, 1 + 1e-4, 1])
    assert found.largest_difference == pytest.approx(1e-4, rel=1e-2)
    assert (found.engine, found.version, found.images, found.at) == ("Fake Runtime", np.__version__, 3, "1.png")
    assert (found.other_decisions, found.tolerance) == (0, 1e-3)
    others = fake_engine(open=lambda file, threads: lambda inputs: {
        SCORE: inputs[PIXELS].max(axis=(1, 2, 3)) / 255, "anomalous": np.ones(len(inputs[PIXELS]), bool)
    })  # fmt: skip
    assert agreement(others).other_decisions == 2


def test_a_graph_that_scores_otherwise_or_cannot_run_is_refused_in_one_line() -> None:
    with pytest.raises(PackingError) as caught:
        agreement(fake_engine(), EXPECTED * [1, 1, 1.01])
    assert str(caught.value) == (
        "on Fake Runtime, 2.png scores 0.9803922, in torch 0.9901961: expected a relative difference of at most 0.001. "
        "Nothing was written"
    )

    def fails(file: Path, threads: int | None) -> Any:
        raise RuntimeError("no such operator\nand more")

    with pytest.raises(PackingError, match="^Fake Runtime cannot run it: RuntimeError: no such operator$"):
        agreement(fake_engine(open=fails))
    assert first_line(ValueError()) == "ValueError: "


def test_a_difference_at_the_tolerance_is_allowed() -> None:
    def by(share: float) -> Engine:
        graph = lambda inputs: {SCORE: np.full(len(inputs[PIXELS]), 1 + share), "anomalous": np.ones(1, bool)}  # noqa: E731
        return fake_engine(open=lambda file, threads: graph)

    assert agreement(by(0.0009999), np.ones(3), most=16).largest_difference < 1e-3
    with pytest.raises(PackingError):
        agreement(by(0.0010001), np.ones(3), most=16)


def test_a_graph_of_squares_is_compared_on_whole_images_as_many_pieces_at_once_as_it_takes() -> None:
    seen = []

    def run(inputs: Any) -> Any:
        seen.append(inputs[PIXELS].shape)
        return {MAP: inputs[PIXELS].mean(axis=3) / 255}

    found = agreement(fake_engine(open=lambda file, threads: run), most=4, tiles=4, overlap=0)
    assert found.largest_difference < 1e-6
    assert found.other_decisions == 0
    assert seen == [(4, 4, 4, 3)] * 3


@pytest.fixture
def packable(monkeypatch: pytest.MonkeyPatch, fake: list[Any]) -> Detector:
    monkeypatch.setattr(packing, "engine_of", lambda form: engines.ENGINES[form])
    monkeypatch.setattr(
        Detector, "decide_each", lambda self, given: SimpleNamespace(scores=given.pixels.max(axis=(1, 2, 3)) / 255)
    )
    return detector()


def test_a_packed_file_has_beside_it_what_it_is_and_the_digests_of_its_parts(
    packable: Detector, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "line.fake"
    done = pack(packable, images(3), "fake", out)
    assert (done.file, done.with_it, done.side_inputs) == (out, (out.with_name("line.fake.json"),), ())
    assert sorted(file.name for file in out.parent.iterdir()) == ["line.fake", "line.fake.json"]
    text = out.with_name("line.fake.json").read_text()
    said = json.loads(text)
    assert text.endswith("}\n")
    assert said["sha256"] == {"line.fake": hashlib.sha256(out.read_bytes()).hexdigest()}
    assert said["verified"] == {
        "engine": "Fake Runtime",
        "version": np.__version__,
        "images": 3,
        "largest_difference": done.agreement.largest_difference,
        "at": done.agreement.at,
        "other_decisions": 0,
        "tolerance": 1e-3,
    }
    assert said["limit"] == 0.5
    assert json.loads(out.read_text()) == {key: said[key] for key in said.keys() - {"verified", "sha256"}}


def test_a_folder_is_given_a_file_named_like_the_model_and_another_suffix_is_refused(
    packable: Detector, tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "new"):
        file = pack(packable, images(2), "fake", folder).file
        assert file.parent == folder
        assert file.name.endswith(f"-{packable.saved.id[:8]}.fake") or packable.saved.id[:8] in file.name
        assert file.suffix == ".fake"
    with pytest.raises(UsageError) as caught:
        pack(packable, images(2), "fake", Path("a.onnx"))
    assert str(caught.value) == "--out is 'a.onnx': expected a file that ends in .fake, or a folder"
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"^--out '.*/file/a.fake' cannot be written: (Not a directory|File exists)$"):
        pack(packable, images(2), "fake", tmp_path / "file" / "a.fake")


def test_a_file_that_does_not_say_what_was_said_of_it_is_not_kept(
    packable: Detector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forgetful = {"fake": fake_engine(metadata=lambda file: "{}")}
    for module in (engines, conversion):
        monkeypatch.setattr(module, "ENGINES", forgetful)
    with pytest.raises(PackingError, match="^Fake Runtime does not find in a.fake what was said of it there$"):
        pack(packable, images(2), "fake", tmp_path / "a.fake")
    assert list(tmp_path.iterdir()) == []


def fake_runtime(called: dict[str, Any]) -> Any:
    """What ONNX Runtime looks like from here."""

    class Session:
        def __init__(self, file: str, options: Any = None, providers: Any = None) -> None:
            called.update(file=file, options=options, providers=providers)

        def get_outputs(self) -> list[Any]:
            return [SimpleNamespace(name="score"), SimpleNamespace(name="map")]

        def run(self, names: list[str], inputs: Any) -> list[Any]:
            return [f"{name} of {inputs['pixels']}" for name in names]

        def get_modelmeta(self) -> Any:
            return SimpleNamespace(custom_metadata_map=called.get("metadata", {}))

    return SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)


@pytest.mark.parametrize(("threads", "told"), [(None, 0), (3, 3)])
def test_onnx_runtime_is_opened_on_the_processor_with_so_many_threads_and_says_errors_only(
    monkeypatch: pytest.MonkeyPatch, threads: int | None, told: int
) -> None:
    called: dict[str, Any] = {}
    asked = []
    monkeypatch.setattr(engines, "need", lambda *given: asked.append(given) or fake_runtime(called))
    graph = ENGINES["onnx"].open(Path("a.onnx"), threads)
    assert graph({"pixels": 1}) == {"score": "score of 1", "map": "map of 1"}  # type: ignore[dict-item,comparison-overlap]
    assert (called["file"], called["providers"]) == ("a.onnx", ["CPUExecutionProvider"])
    assert vars(called["options"]) == {"intra_op_num_threads": told, "log_severity_level": 3}
    assert ENGINES["onnx"].metadata(Path("a.onnx")) == ""
    called["metadata"] = {"harness": "{}"}
    assert ENGINES["onnx"].metadata(Path("a.onnx")) == "{}"
    assert set(asked) == {("onnxruntime", "onnx")}


@pytest.mark.parametrize(("threads", "more"), [(None, {}), (3, {"INFERENCE_NUM_THREADS": 3})])
def test_openvino_computes_in_full_precision_and_by_the_name_of_each_output(
    monkeypatch: pytest.MonkeyPatch, threads: int | None, more: dict[str, int]
) -> None:
    called: dict[str, Any] = {}

    class Compiled:
        outputs = (SimpleNamespace(get_any_name=lambda: "score"), SimpleNamespace(get_any_name=lambda: "map"))

        def __call__(self, inputs: Any) -> list[str]:
            return [f"first of {inputs['pixels']}", "second"]

    class Core:
        def read_model(self, file: Path) -> Any:
            info = called.setdefault("info", {})
            return SimpleNamespace(
                file=file,
                has_rt_info=lambda name: name in info,
                get_rt_info=lambda name: SimpleNamespace(value=info[name]),
                set_rt_info=lambda value, name: info.update({name: value}),
            )

        def compile_model(self, model: Any, device: str, settings: Any) -> Compiled:
            called.update(device=device, settings=settings, file=model.file)
            return Compiled()

    def save_model(model: Any, file: Path, **given: Any) -> None:
        called.update(saved=file, **given)

    runtime = SimpleNamespace(Core=Core, save_model=save_model)
    monkeypatch.setattr(engines, "need", lambda package, extra: runtime if package == extra == "openvino" else None)
    engine = ENGINES["openvino"]
    assert engine.open(Path("a.xml"), threads)({"pixels": 1}) == {"score": "first of 1", "map": "second"}  # type: ignore[dict-item,comparison-overlap]
    assert (called["device"], called["file"]) == ("CPU", Path("a.xml"))
    assert called["settings"] == {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", **more}
    assert engine.settings == {"INFERENCE_PRECISION_HINT": "f32"}
    assert engine.metadata(Path("a.xml")) == ""
    engine.convert(Path("a.onnx"), "{}", Path("a.xml"))
    assert engine.metadata(Path("a.xml")) == "{}"
    assert (called["saved"], called["compress_to_fp16"]) == (Path("a.xml"), False)


def test_the_engines_are_known_by_format_with_package_extra_and_suffix(tmp_path: Path) -> None:
    told = {name: (one.title, one.package, one.extra, one.suffix) for name, one in ENGINES.items()}
    assert told == {
        "onnx": ("ONNX Runtime", "onnxruntime", "onnx", ".onnx"),
        "openvino": ("OpenVINO", "openvino", "openvino", ".xml"),
    }
    assert fake_engine().version() == np.__version__
    (tmp_path / "draft").write_text("graph")
    ENGINES["onnx"].convert(tmp_path / "draft", "", tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_text() == "graph"


def test_memory_is_what_the_process_grew_by_since_before_the_engine_was_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peaks = iter([1e6, 4e6, 6.5e6])
    monkeypatch.setattr(measuring.hardware, "peak_bytes", lambda: next(peaks))
    clock = iter(range(0, 10**9, 2_000_000))
    monkeypatch.setattr(measuring.time, "perf_counter_ns", lambda: next(clock))
    task = Task(
        lambda: lambda inputs: {SCORE: np.ones(len(inputs[PIXELS]))}, [{PIXELS: np.zeros((n, 1))} for n in (1, 2)], 0, 2
    )
    found = measuring._measure(task)
    assert [one.peak_mb for one in found] == [3.0, 5.5]
    assert [one.milliseconds.tolist() for one in found] == [[2.0, 2.0], [2.0, 2.0]]


def test_a_process_that_dies_while_it_measures_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def __init__(self, **given: Any) -> None:
            assert given["max_workers"] == 1
            assert given["mp_context"].get_start_method() == "spawn"

        def __enter__(self) -> Dying:
            return self

        def __exit__(self, *given: object) -> None: ...

        def submit(self, function: Any, task: Any) -> Any:
            raise BrokenProcessPool

    monkeypatch.setattr(measuring, "ProcessPoolExecutor", Dying)
    with pytest.raises(PackingError, match="^the process that measured died, perhaps for want of memory$"):
        measure(Task(dict, [], 0, 0))  # type: ignore[arg-type]


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, fake: list[Any]) -> list[Task]:
    """Instead of a process that measures, one that says 1 to 100 ms; what it was asked."""
    asked: list[Task] = []

    def measured(task: Task) -> list[Times]:
        asked.append(task)
        graph = task.open()
        return [Times(np.arange(1.0, 101.0), 7.5, graph(one)[SCORE]) for one in task.inputs]

    monkeypatch.setattr(latency, "measure", measured)
    monkeypatch.setattr(Place, "load", lambda self: detector())
    return asked


PROTOCOL = Protocol(batch=4, warm_up=3, repetitions=100, threads=2)


def test_each_engine_is_timed_for_one_image_and_for_a_batch_and_what_was_found_is_told(timed: list[Task]) -> None:
    begun: list[str] = []
    before = torch.get_num_threads()
    try:
        one, four, fake_one, fake_four = latencies(Place(Path("model")), ["torch", "fake"], PROTOCOL, begun.append)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert begun == ["torch", "fake"]
    assert [(found.engine, found.batch) for found in (one, four, fake_one, fake_four)] == [
        ("torch", 1), ("torch", 4), ("Fake Runtime", 1), ("Fake Runtime", 4)
    ]  # fmt: skip
    assert (four.p50_ms, four.p95_ms, four.p99_ms) == pytest.approx((50.5, 95.05, 99.01))
    assert four.images_per_second == pytest.approx(1000 * 4 / 50.5)
    assert one.images_per_second == pytest.approx(1000 / 50.5)
    assert (four.peak_mb, four.warm_up, four.repetitions, four.threads, four.beside) == (7.5, 3, 100, 2, "")
    assert fake_one.version == np.__version__
    assert one.version == torch.__version__.partition("+")[0] or one.version == torch.__version__
    assert one.measured_at.endswith("+00:00")
    assert one.load >= 0
    machine = latency.hardware.machine("cpu")
    assert (one.cpu, one.system) == (machine["cpu"], machine["system"])
    assert [[len(inputs[PIXELS]) for inputs in task.inputs] for task in timed] == [[1, 4], [1, 4]]
    assert all((task.warm_up, task.repetitions) == (3, 100) for task in timed)
    pixels = timed[0].inputs[1][PIXELS]
    assert pixels.shape == (4, 8, 8, 3)
    assert (pixels.min() < 8, pixels.max() > 247) == (True, True), "noise of the whole range"
    assert np.array_equal(pixels, timed[1].inputs[1][PIXELS])


def test_a_batch_of_one_is_timed_once(timed: list[Task]) -> None:
    (one,) = latencies(Place(Path("model")), ["fake"], Protocol(1, 0, 1, 1), print)
    assert one.batch == 1


def test_a_graph_that_takes_one_image_is_not_timed_on_a_batch(
    timed: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "write_graph", lambda *given: ({}, 1))
    (one,) = latencies(Place(Path("model")), ["fake"], PROTOCOL, lambda name: None)
    assert one.batch == 1


def test_tiles_are_timed_on_whole_images_whatever_the_graph_takes_at_once(
    timed: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def run(inputs: Any) -> Any:
        seen.append(len(inputs[PIXELS]))
        return {MAP: torch.from_numpy(inputs[PIXELS]).float().div(255).mean(dim=3).numpy()}

    monkeypatch.setattr(Place, "load", lambda self: detector(tiles=4, overlap=0))
    for module in (engines, conversion, latency):
        monkeypatch.setattr(module, "ENGINES", {"fake": fake_engine(open=lambda file, threads: run)})
    for most, counts in ((16, [4] * 5), (1, [1] * 20)):
        seen.clear()
        monkeypatch.setattr(latency, "write_graph", lambda *given, most=most: ({}, most))
        found = list(latencies(Place(Path("model")), ["fake"], PROTOCOL, lambda name: None))
        assert [one.batch for one in found] == [1, 4]
        assert seen == counts


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (lambda inputs: {SCORE: grey(inputs) * 1.02}, r"^on Fake Runtime scores differ from torch's by 0.02 of them: they are not worth timing$"),
        (lambda inputs: {}[SCORE], "^Fake Runtime cannot run it: KeyError: 'score'$"),
    ],
)  # fmt: skip
def test_an_engine_that_scores_otherwise_or_fails_is_not_timed(
    timed: list[Task], monkeypatch: pytest.MonkeyPatch, scores: Any, said: str
) -> None:
    monkeypatch.setattr(latency, "ENGINES", {"fake": fake_engine(open=lambda file, threads: scores)})
    with pytest.raises(PackingError, match=said):
        list(latencies(Place(Path("model")), ["fake"], PROTOCOL, lambda name: None))


def test_an_error_of_ours_in_the_process_that_measures_stays_what_it_is(
    timed: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(task: Task) -> None:
        raise UnavailableError("weights are not here")

    monkeypatch.setattr(latency, "measure", fails)
    with pytest.raises(UnavailableError, match="^weights are not here$"):
        list(latencies(Place(Path("model")), ["fake"], PROTOCOL, lambda name: None))
