"""The pieces that isolated trials are made of, each asked by itself, without a process of strangers."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest

from harness.api import Encoder, Images, Loss, Model, Progress, Run, Scores
from harness.errors import TrainingError, UnavailableError, UsageError
from harness.plugin.options import default_of, options_of
from harness.plugin.registry import DISTRIBUTION, Registry
from harness.trials.isolation import registry as isolated
from harness.trials.isolation import stranger as strange
from harness.trials.isolation.described import describe, stand_in
from harness.trials.isolation.model import IsolatedLeavingOut, IsolatedModel
from harness.trials.isolation.process import StrangerProcess, _surroundings, progress_of
from harness.trials.isolation.stranger import Stranger
from harness.trials.isolation.wire import WireError, receive, send
from harness.trials.trial import Trial

TRIAL = Trial("synthetic", "tile", "counts", "-", "-", 3, 8, 0, 0, 0.0, 0.0, "fp32", "-")


@dataclass
class Inner(Loss):
    name = "inner"
    window: int = 7

    def error_map(self, output: Any, target: Any) -> Any: ...


@dataclass
class Told(Model):
    """Has an option of each type."""

    name = "told"
    uses = frozenset({"pool", "encoder"})
    default_pool = "max"
    version = 3
    licence = "MIT"
    needs_options = True

    on: bool = False
    count: int = 2
    share: float = 0.5
    text: str = "a"
    choice: Literal["x", 3, None] = 3
    sizes: tuple[int, ...] = (8, 4)
    pair: tuple[int, str] = (1, "b")
    perhaps: int | None = None
    loss: Loss = field(default_factory=lambda: Inner(window=9))
    perhaps_loss: Loss | None = None

    def fit(self, normal: Any, **how: Any) -> None: ...

    def score(self, images: Any) -> Any: ...

    def score_left_out(self, images: Any, without: Any) -> Any: ...


TOLD = {
    "kind": "model",
    "name": "told",
    "class": "Told",
    "facts": {
        "licence": "MIT",
        "source": "",
        "needs_options": True,
        "version": 3,
        "uses": ["encoder", "pool"],
        "default_pool": "max",
        "leaves_out": True,
    },
    "options": [
        {"name": "on", "type": "bool", "default": False},
        {"name": "count", "type": "int", "default": 2},
        {"name": "share", "type": "float", "default": 0.5},
        {"name": "text", "type": "str", "default": "a"},
        {"name": "choice", "type": {"one_of": ["x", 3, None]}, "default": 3},
        {"name": "sizes", "type": {"several": ["int", None]}, "default": [8, 4]},
        {"name": "pair", "type": {"several": ["int", "str"]}, "default": [1, "b"]},
        {"name": "perhaps", "type": {"or_none": "int"}, "default": None},
        {"name": "loss", "type": {"part": "loss"}, "default": "inner[window=9]"},
        {"name": "perhaps_loss", "type": {"or_none": {"part": "loss"}}, "default": None},
    ],
}


def plugin_of(**hooks: Any) -> ModuleType:
    module = ModuleType("of_a_stranger")
    for name, parts in hooks.items():
        setattr(module, name, isolated.hookimpl(lambda parts=parts: parts))
    return module


def make(kind: type[Any], text: str) -> Any:
    assert kind is Loss
    return Inner(window=9) if text == "inner[window=9]" else pytest.fail(text)


def test_a_part_is_described_in_values_of_json() -> None:
    assert json.loads(json.dumps(describe(Told))) == TOLD


def test_what_is_described_stands_in_with_the_same_options_and_facts() -> None:
    stands = stand_in(TOLD, make)
    assert (stands.__name__, stands.name, stands.kind) == ("Told", "told", "model")
    assert {one.name: default_of(one) for one in options_of(stands)} == {
        one.name: default_of(one) for one in options_of(Told)
    }
    assert issubclass(stands, Model)
    assert (stands.uses, stands.default_pool, stands.version) == (frozenset({"pool", "encoder"}), "max", 3)
    assert (stands.licence, stands.source, stands.needs_options) == ("MIT", "", True)
    assert stands.__module__ == "isolated"
    assert "source is not here" in (stands.__doc__ or "")


def test_a_stand_in_cannot_be_called_and_leaves_images_out_only_where_the_part_does() -> None:
    stands = stand_in(TOLD, make)
    for method in ("fit", "score", "score_left_out"):
        with pytest.raises(TypeError, match="^this part is in a process of its own, and cannot be called here$"):
            getattr(stands(), method)(None)
    fits_in_folds = stand_in({**TOLD, "facts": {**TOLD["facts"], "leaves_out": False}}, make)
    assert fits_in_folds.score_left_out is Model.score_left_out
    for no_answer in (1, "yes", None):
        odd = stand_in({**TOLD, "facts": {**TOLD["facts"], "leaves_out": no_answer}}, make)
        assert odd.score_left_out is Model.score_left_out


def test_facts_of_another_type_are_not_taken_over() -> None:
    facts = {"uses": "pool", "default_pool": 3, "version": "2", "needs_options": 1, "licence": None, "made_up": 7}
    stands: Any = stand_in({**TOLD, "facts": facts}, make)
    assert (stands.uses, stands.default_pool, stands.version) == (frozenset(), "mean", 1)
    assert (stands.needs_options, stands.licence) == (False, "")
    assert not hasattr(stands, "made_up")


def test_a_fact_that_depends_on_options_is_left_to_the_other_process() -> None:
    @dataclass
    class Depends(Encoder):
        name = "depends"
        reduction: int | None = 8

        def build(self, run: Any) -> Any: ...

    told = describe(Depends)
    assert "reduction" not in told["facts"]
    assert "leaves_out" not in told["facts"]
    assert (told["facts"]["pretrained"], told["facts"]["bottleneck"]) == (Encoder.pretrained, Encoder.bottleneck)
    assert stand_in(told, make)().reduction == 8


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "its kind is None"),
        ({"kind": "dataset"}, "its kind is 'dataset'"),
        ({"kind": ["model"]}, "its kind is ['model']"),
        ({"kind": "model", "name": "x", "class": "X", "facts": []}, "its name, class, facts or options are none"),
        ({**TOLD, "name": 3}, "its name, class, facts or options are none"),
        ({**TOLD, "class": None}, "its name, class, facts or options are none"),
        ({**TOLD, "facts": None}, "its name, class, facts or options are none"),
        ({**TOLD, "options": {}}, "its name, class, facts or options are none"),
        ({**TOLD, "options": [7]}, "an option is 7"),
        ({**TOLD, "options": [{"name": 7}]}, "an option is {'name': 7}"),
        *(
            ({**TOLD, "options": [{"name": "a", "type": kind}]}, f"an option is of type {kind!r}")
            for kind in (
                "os", None, {}, {"or_none": "int", "several": []}, {"one_of": []}, {"one_of": "ab"}, {"one_of": [[1]]},
                {"several": "int"}, {"part": "dataset"}, {"part": ["loss"]}, {"other": "int"},
            )
        ),
        ({**TOLD, "options": [{"name": "a", "type": {"or_none": "os"}}]}, "an option is of type 'os'"),
    ],
)  # fmt: skip
def test_a_description_that_is_none_is_refused_with_what_is_wrong(told: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        stand_in(told, make)
    assert str(refused.value) == said


class Counts(Model):
    """Scores by what it was fitted to, and says what it was given."""

    name = "counts"
    uses = frozenset({"pool"})

    def fit(self, normal: Images, *, encoder: Any, loss: Any, run: Run) -> None:
        assert (encoder, loss) == (None, None)
        self.fitted, self.run, self.names = len(normal), run, normal.paths
        run.report(Progress(1, 2, 0.5, 3, True))
        run.report(Progress(2, 2, 0.25, 4, epoch_done=False))

    def score(self, images: Images) -> Scores:
        if not len(images):
            raise ValueError("there are no images")
        return Scores(images=np.arange(len(images)) + self.fitted)

    def score_left_out(self, images: Images, without: Any) -> Scores:
        return Scores(maps=np.stack([np.full((2, 2), sum(one.tolist())) for one in without]))

    def state(self) -> dict[str, Any]:
        return {"fitted": [self.fitted]}

    def resolved(self, encoder: Any) -> dict[str, str]:
        return {"level": 3}  # type: ignore[dict-item]


class _Running:
    """Stands for the process; the stranger itself answers in a thread of this one."""

    def __init__(self) -> None:
        self.killed = False

    def kill(self) -> None:
        self.killed = True

    def wait(self) -> int:
        return -9


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[StrangerProcess]:
    ours, theirs = Pipe()
    answering = Stranger(theirs)
    registry = Registry()
    registry.register(plugin_of(harness_models=[Counts]), "counts")
    answering._registry = registry
    thread = threading.Thread(target=answering.answers, daemon=True)
    thread.start()
    process: Any = _Running()
    yield StrangerProcess(process, ours, tmp_path)
    ours.close()
    thread.join(5)
    assert not thread.is_alive(), "it ends when the harness hangs up"
    theirs.close()


def images(count: int) -> Images:
    return Images(np.full((count, 8, 8, 3), 7, np.uint8), tuple(f"secret {at}" for at in range(count)))


def test_a_model_elsewhere_is_fitted_asked_and_read_like_any_other(asked: StrangerProcess, tmp_path: Path) -> None:
    reported: list[Progress] = []
    run = TRIAL.run("cpu", tmp_path / "weights")
    object.__setattr__(run, "report", reported.append)
    model: Any = type("Stands", (IsolatedLeavingOut,), {"name": "counts"})(asked, TRIAL)
    assert model.resolved(None) == {}
    assert model.threads is None
    model.fit(images(70), encoder=None, loss=None, run=run)
    assert reported == [Progress(1, 2, 0.5, 3, True), Progress(2, 2, 0.25, 4, False)]
    assert model.resolved(None) == {"level": "3"}
    assert model.threads is None or model.threads >= 1
    assert np.load(tmp_path / "normal.npy").min() == 7, "all images are written, some at a time"
    assert model.score(images(2)).images.tolist() == [70, 71]
    assert model.score(images(2)).maps is None
    left = model.score_left_out(images(3), [np.array([1, 2]), np.array([], np.intp), np.array([5])])
    assert left.maps[:, 0, 0].tolist() == [3, 0, 5]
    assert {name: array.tolist() for name, array in model.state().items()} == {"fitted": [70]}


def test_the_stranger_sees_the_settings_of_the_trial_and_no_names(
    asked: StrangerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Counts] = []
    monkeypatch.setattr(Counts, "resolved", lambda self, encoder: made.append(self) or {})
    IsolatedModel(asked, TRIAL).fit(images(2), encoder=None, loss=None, run=TRIAL.run("cpu", None))
    (model,) = made
    assert (model.run.seed, model.run.image_size, model.run.device, model.run.weights_dir) == (3, 8, "cpu", None)
    assert model.names == ("image 0", "image 1")


def test_what_a_plugin_raises_elsewhere_is_an_error_here_of_the_kind_that_it_is(
    asked: StrangerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = IsolatedModel(asked, TRIAL)
    model.fit(images(1), encoder=None, loss=None, run=TRIAL.run())
    with pytest.raises(TrainingError, match=r"^ValueError: there are no images \(test_isolation_pieces.py:\d+\)$"):
        model.score(images(0))

    def unavailable(self: Any) -> Any:
        raise UnavailableError("no weights here")

    monkeypatch.setattr(Counts, "state", unavailable)
    with pytest.raises(UnavailableError, match="^no weights here$"):
        model.state()
    monkeypatch.setattr(Counts, "state", lambda self: sys.exit(3))
    with pytest.raises(TrainingError, match="^SystemExit: 3"):
        model.state()
    with pytest.raises(TrainingError, match="^KeyError: 'sing'"):
        asked.ask("sing")
    assert model.score(images(1)).images is not None, "and it goes on answering"


def test_a_stranger_says_what_it_offers_and_what_is_left_out(asked: StrangerProcess) -> None:
    told, arrays = asked.ask("describe")
    assert arrays == {}
    (part,) = told["parts"]
    assert part["plugin"] == ["in this process", "counts"]
    assert (part["name"], part["kind"], part["facts"]["uses"]) == ("counts", "model", ["pool"])
    assert told["problems"] == []


def test_parts_that_would_be_given_labels_or_cannot_be_described_are_left_out_with_the_reason() -> None:
    from harness.api import Pool

    class Sum(Pool):
        name = "sum_of_all"

        def score(self, maps: Any) -> Any: ...

    ours, theirs = Pipe()
    answering = Stranger(theirs)
    plugin = plugin_of(harness_models=[Counts], harness_pools=[Sum])
    answering._registry = registry = Registry()
    registry.register(plugin, "mine", "mine.py", "1", "/there/mine.py")
    registry.plugins[0].problems.append("is odd")
    told, _ = answering._describe({}, {})
    assert told["problems"] == [
        ["/there/mine.py", "mine", "offers pool 'sum_of_all', which is left out: it would be given labels"],
        ["/there/mine.py", "mine", "is odd"],
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strange, "describe", lambda part: (_ for _ in ()).throw(ValueError("no such type")))
        told, _ = answering._describe({}, {})
    assert told["parts"] == []
    assert told["problems"][0] == [
        "/there/mine.py", "mine", "offers model 'counts', which cannot be isolated: no such type",
    ]  # fmt: skip
    ours.close()
    theirs.close()


def test_parts_of_the_harness_itself_are_not_described() -> None:
    _, theirs = Pipe()
    answering = Stranger(theirs)
    answering._registry = registry = Registry()
    registry.register(plugin_of(harness_models=[Counts]), "counts", DISTRIBUTION, "1")
    assert answering._describe({}, {}) == ({"parts": [], "problems": []}, {})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UnavailableError("no weights"), {"error": "unavailable", "reason": "no weights"}),
        (TrainingError("loss is nan"), {"error": "fault", "reason": "loss is nan"}),
        (ValueError("no\nlayer"), {"error": "fault", "reason": "ValueError: no layer"}),
        (MemoryError(), {"error": "fault", "reason": "MemoryError: : out of memory"}),
        (MemoryError("out of memory"), {"error": "fault", "reason": "MemoryError: out of memory"}),
    ],
)
def test_a_fault_is_sent_with_its_kind_and_a_lack_of_memory_can_be_told(
    error: BaseException, said: dict[str, str]
) -> None:
    assert strange._fault(error) == said


def test_a_process_that_hangs_up_is_killed_and_said_to_have_been(tmp_path: Path) -> None:
    ours, theirs = Pipe()
    process: Any = _Running()
    theirs.close()
    with pytest.raises(TrainingError, match="^its process was killed by SIGKILL, perhaps for want of memory$"):
        StrangerProcess(process, ours, tmp_path).ask("describe")
    assert process.killed
    ours.close()


def test_a_process_that_says_nothing_is_late_after_its_minutes(tmp_path: Path) -> None:
    ours, theirs = Pipe()
    process: Any = _Running()
    found = StrangerProcess(process, ours, tmp_path)
    found.limit(0.001)
    begun = time.monotonic()
    with pytest.raises(TrainingError) as late:
        found.ask("describe")
    assert str(late.value) == (
        "it took longer than the 0.001 minutes that a trial may take (trial_minutes), and was ended"
    )
    assert 0.05 <= time.monotonic() - begun < 30
    for line in (ours, theirs):
        line.close()


def test_a_process_that_talks_nonsense_cannot_be_understood(tmp_path: Path) -> None:
    ours, theirs = Pipe()
    process: Any = _Running()
    theirs.send_bytes(b"[1]")
    with pytest.raises(TrainingError) as odd:
        StrangerProcess(process, ours, tmp_path).ask("describe")
    assert str(odd.value) == "its process cannot be understood: it said [1], expected values by name"
    for line in (ours, theirs):
        line.close()


def test_a_message_is_values_of_json_and_arrays_behind_them_where_there_are_any() -> None:
    ours, theirs = Pipe()
    send(ours, {"ask": "score", "n": 2})
    assert receive(theirs) == ({"ask": "score", "n": 2}, {})
    send(ours, {"ask": "score"}, {"pixels": np.arange(6).reshape(2, 3).T})
    said, arrays = receive(theirs)
    assert said == {"ask": "score"}
    assert arrays["pixels"].tolist() == [[0, 3], [1, 4], [2, 5]]
    ours.send_bytes(b"no JSON")
    with pytest.raises(WireError, match="^it said what is no message: Expecting value"):
        receive(theirs)
    for line in (ours, theirs):
        line.close()


def test_progress_from_elsewhere_is_numbers_or_an_error() -> None:
    assert progress_of({"progress": [1, 2, 0.5, 3], "epoch_done": True}) == Progress(1, 2, 0.5, 3, True)
    assert progress_of({"progress": ["1", 2.0, 1, 3]}) == Progress(1, 2, 1.0, 3, False)
    for odd in ([1, 2], "abcd", [1, 2, "x", 3], None, [float("inf"), 1, 1, 1]):
        with pytest.raises(TrainingError) as refused:
            progress_of({"progress": odd})
        assert str(refused.value) == f"its process reports {odd!r}, expected numbers"


def test_a_process_of_strangers_has_the_same_packages_and_a_cache_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", ["", "/there", "/here"])
    for name in ("HARNESS_CACHE", "PWD", "OLDPWD", "PYTHONPATH"):
        monkeypatch.setenv(name, "of this process")
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    found = _surroundings(tmp_path)
    assert found["PYTHONPATH"] == os.pathsep.join(["/there", "/here"])
    assert found["HARNESS_CACHE"] == str(tmp_path / "cache")
    assert found["HARNESS_OFFLINE"] == "1"
    assert not {"PWD", "OLDPWD"} & found.keys()


def test_plugins_of_strangers_are_those_installed_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(name: str, distribution: str | None) -> Any:
        dist = None if distribution is None else SimpleNamespace(name=distribution, version="1.2")
        return SimpleNamespace(name=name, dist=dist)

    entries = [entry("own", DISTRIBUTION), entry("glow", "harness-glow"), entry("flow", "many"), entry("lost", None)]
    monkeypatch.setattr(isolated.importlib.metadata, "entry_points", lambda group: entries)

    def installed() -> list[tuple[str, str, str]]:
        return [(one.name, one.distribution, one.version) for one in isolated._installed()]

    monkeypatch.delenv("HARNESS_PLUGINS", raising=False)
    assert installed() == [("glow", "harness-glow", "1.2"), ("flow", "many", "1.2"), ("lost", "unknown", "unknown")]
    monkeypatch.setenv("HARNESS_PLUGINS", "glow , many")
    assert installed() == [("glow", "harness-glow", "1.2"), ("flow", "many", "1.2")]
    monkeypatch.setenv("HARNESS_PLUGINS", "")
    assert installed() == []


def test_a_plugin_file_is_known_by_its_name_and_a_digest() -> None:
    (found,) = isolated._files({Path("/there/glow.py"): b"x = 1\n"})
    assert (found.name, found.distribution, found.path) == ("glow", "glow.py", "/there/glow.py")
    assert found.version == "9e26bf36"


@pytest.mark.parametrize("odd", [None, 3, "ab", {"a": 1}])
def test_what_a_process_tells_in_another_form_is_taken_for_nothing(odd: Any) -> None:
    assert isolated._dicts(odd) == []
    assert isolated._threes(odd) == []
    assert isolated._who(odd) == ("", "")


def test_of_what_a_process_tells_only_what_has_the_right_form_is_taken() -> None:
    assert isolated._dicts([{"a": 1}, 3, None, {}]) == [{"a": 1}, {}]
    assert isolated._threes([["a", "b", 3], ["a", "b"], "abc", 3]) == [("a", "b", "3")]
    assert isolated._who(["there", 3]) == ("there", "3")
    assert isolated._who(["a", "b", "c"]) == ("", "")


def test_what_a_process_offers_is_registered_under_the_plugins_that_are_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "told.py"
    told = {
        "parts": [
            {"plugin": [str(file.absolute()), "told"], **TOLD, "options": []},
            {"plugin": [str(file.absolute()), "told"], "kind": "dataset"},
            {"plugin": ["elsewhere.py", "made_up"], **TOLD, "options": [], "name": "made_up"},
        ],
        "problems": [[str(file.absolute()), "told", "offers pool 'x', which is left out"], ["bad"]],
    }
    asked: list[str] = []

    class _Process:
        def __init__(self, files: Any) -> None:
            assert dict(files) == {file: b"x"}

        def __enter__(self) -> Any:
            return SimpleNamespace(ask=lambda question: (asked.append(question), (told, {}))[1])

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(isolated, "strangers", _Process)
    found = isolated.isolated_registry({file: b"x"})
    assert asked == ["describe"]
    assert found.files == {file: b"x"}
    offer = found.offers(Model)["told"]
    assert (offer.plugin.name, offer.plugin.distribution, offer.plugin.path) == ("told", "told.py", str(file))
    assert offer.plugin.problems == [
        "offers pool 'x', which is left out",
        "offers a part that cannot be isolated: its kind is 'dataset'",
    ]
    assert "made_up" not in found.offers(Model), "nobody knows that plugin"
    with pytest.raises(UsageError):
        found.make(Model, "made_up")


def test_where_there_are_no_strangers_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "strangers", lambda *_: pytest.fail("a process was started"))
    monkeypatch.setattr(isolated, "_installed", lambda: iter([]))
    assert "dae" in isolated.isolated_registry().offers(Model)
