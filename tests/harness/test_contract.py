"""The contract with plugins: option types are checked when a plugin is loaded, versions are compared, old names work."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness import CONTRACT, Loss, Model, Threshold, UsageError, spell
from harness.commands import main
from harness.plugin.contract import RENAMED
from harness.plugin.options import describe, fault_of_options, nested_parts, read, write
from harness.plugin.registry import Registry
from harness.plugin.spec import make, parse

HEAD = """
from __future__ import annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal
import harness
from harness import Encoder, Loss, Model, OracleThreshold, Scores, Threshold, hookimpl
if TYPE_CHECKING:
    from torch import Tensor

class Mute(Exception):
    def __str__(self): raise RuntimeError("no words")

def raises(error): raise error

"""
FINE = """
class Fine(Threshold):
    name = "fine"
    def fit(self, normal): return float(normal.max())
"""
TWO = """
@dataclass
class Odd(Threshold):
    name = "odd"
    {option}
    def fit(self, normal): return float(normal.max())

@hookimpl
def harness_thresholds(): return [Odd, Fine]
"""


def discovered(tmp_path: Path, source: str) -> Registry:
    file = tmp_path / "stranger.py"
    file.write_text(HEAD + source)
    return Registry.discover([file], environ={"HARNESS_PLUGINS": ""})


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("weights: Tensor | None = None", "option 'weights' has the type 'Tensor | None', which cannot be looked up"),
        ("k: Tensr = 1", "name 'Tensr' is not defined"),
        ("k: list[int] = field(default_factory=list)", "option 'k' is of type list[int], expected bool, int, float, str"),
        ("k: int | str = 1", "option 'k' is of type a whole number or text, expected bool"),
        ("k: Any = 1", "expected bool, int"),
        ("k: tuple[bytes, ...] = (b'x',)", "expected bool, int"),
        ("k: tuple[int, bytes] = (1, b'x')", "expected bool, int"),
        ("k: tuple[()] = ()", "expected bool, int"),
        ("k: Literal[b'x'] = b'x'", "expected bool, int"),
        ("k: 1 / 0 = 1", "cannot be looked up (division by zero)"),
        ("k: raises(Mute()) = 1", "cannot be looked up (it cannot say what is wrong)"),
        ("k: int", "option 'k' has no default"),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_spelt_is_a_named_problem_and_the_others_go_on(
    tmp_path: Path, option: str, problem: str
) -> None:
    registry = discovered(tmp_path, FINE + TWO.format(option=option))
    assert "odd" not in registry.offers(Threshold)
    assert registry.make(Threshold, "fine").name == "fine"
    (broken,) = registry.broken
    assert len(broken.problems) == 1
    assert problem in broken.problems[0]
    listed = CliRunner().invoke(main, ["list", "--plugin", str(tmp_path / "stranger.py")])
    assert listed.exit_code == 0
    assert "stranger" in listed.stderr


@pytest.mark.parametrize(
    ("option", "spelt", "value"),
    [
        ("k: Literal[1, 2] = 1", "odd[k=2]", 2),
        ("k: Literal['a', 3] = 'a'", "odd[k=3]", 3),
        ("k: tuple[float, ...] = (0.5,)", "odd[k=0.1-1e-05--2]", (0.1, 1e-05, -2.0)),
        ("k: tuple[int, int] = (1, 2)", "odd[k=3--4]", (3, -4)),
        ("k: ClassVar[Tensor] = None", "odd", None),
    ],
)
def test_literals_of_numbers_and_floats_in_tuples_are_spelt_and_read(
    tmp_path: Path, option: str, spelt: str, value: object
) -> None:
    registry = discovered(tmp_path, FINE + TWO.format(option=option))
    assert registry.broken == []
    part = registry.make(Threshold, spelt)
    assert part.k == value
    assert spell(part) == spelt


@pytest.mark.parametrize(
    ("option", "wrong", "expected"),
    [
        ("k: Literal[1, 2] = 1", "odd[k=3]", "expected one of 1, 2"),
        ("k: tuple[int, int] = (1, 2)", "odd[k=3]", "expected 2 values joined by '-': a whole number, a whole number"),
        ("k: Threshold | None = None", "odd[k=fein]", "option 'k': no threshold 'fein'. Did you mean 'fine'?"),
        ("k: Threshold | None = None", "odd[k=quantile[q=x]]", "option 'q' is 'x', expected a finite number"),
    ],
)
def test_a_wrong_value_says_what_was_expected(tmp_path: Path, option: str, wrong: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        discovered(tmp_path, FINE + TWO.format(option=option)).make(Threshold, wrong)
    assert expected in str(caught.value)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4).map(tuple))
def test_every_tuple_of_floats_survives_writing(value: tuple[float, ...]) -> None:
    assert read(write(value), tuple[float, ...]) == value


@dataclass
class Half(Threshold):
    name = "half"
    of: Threshold = field(default_factory=lambda: Registry.discover().make(Threshold, "mean"))
    share: float = 0.5

    def fit(self, normal: object) -> float:
        return self.share * self.of.fit(normal)


def test_a_part_within_a_part_is_made_through_the_registry_spelt_and_read_again() -> None:
    registry = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    assert fault_of_options(Half) == ""
    assert spell(Half()) == "half", "at its default it is left out, as any option is"
    text = "half[of=quantile[q=0.5],share=0.25]"
    part = make(Half, parse(text)[1], "here", registry.make)
    assert spell(part) == text
    assert [inner.name for inner in nested_parts(part)] == ["quantile"]
    assert describe(Threshold) == "a threshold"
    assert describe(Loss | None) == "a loss or none"


NESTED = """
import numpy as np

@dataclass
class Masked(Model):
    name = "masked"
    uses = frozenset({"pool"})
    loss: Loss | None = None
    def fit(self, normal, *, encoder, loss, run): self.mean = normal.pixels.mean(axis=0)
    def score(self, images): return Scores(maps=np.abs(images.pixels - self.mean).mean(axis=3))

@hookimpl
def harness_models(): return [Masked]
"""


def test_a_model_with_a_loss_of_its_own_is_run_and_recorded_with_who_made_both(tmp_path: Path) -> None:
    from harness.trials.store import Store

    discovered(tmp_path, NESTED)
    options = ["--models", "masked[loss=ssim[window=7]]", "--categories", "pill", "--image-size", "16", "--jobs", "1"]
    data = ["--dataset", "synthetic[n_train=4,n_test_good=3,n_test_defective=4]", "--store", str(tmp_path / "runs")]
    done = CliRunner().invoke(
        main, ["run", "--no-floors", *options, *data, "--plugin", str(tmp_path / "stranger.py"), "--quiet"]
    )
    assert done.exit_code == 0, done.output
    with Store(tmp_path / "runs") as store:
        (outcome,) = store.outcomes()
    assert outcome.trial.model == "masked[loss=ssim[window=7]]"
    assert outcome.record.plugins["model's loss"].startswith("anomaly-harness ")


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        (f"harness_contract = {CONTRACT + 1}", f"is made for contract {CONTRACT + 1}, and this harness has contract {CONTRACT}"),
        ("harness_contract = 'two'", "says harness_contract = 'two', expected the whole number of a contract"),
        ("harness_contract = 0", "says harness_contract = 0"),
    ],
)  # fmt: skip
def test_a_plugin_for_another_contract_gets_one_line_and_the_others_go_on(
    tmp_path: Path, declared: str, problem: str
) -> None:
    registry = discovered(tmp_path, FINE + TWO.format(option="k: int = 1") + declared)
    assert "odd" not in registry.offers(Threshold)
    assert "mean" in registry.offers(Threshold)
    (broken,) = registry.broken
    assert len(broken.problems) == 1
    assert problem in broken.problems[0]


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_plugin_that_fails_on_what_only_a_later_contract_has_is_told_so(tmp_path: Path, where: str) -> None:
    lines = ["import harness.of_tomorrow", f"CONTRACT = harness_contract = {CONTRACT + 1}"]
    registry = discovered(tmp_path, "\n".join(lines if where == "after" else lines[::-1]))
    ((problem,),) = (broken.problems for broken in registry.broken)
    assert problem.startswith(f"is made for contract {CONTRACT + 1}, and this harness has contract {CONTRACT}")


def test_a_plugin_may_say_the_contract_of_today_or_none(tmp_path: Path) -> None:
    for declared in (f"harness_contract = {CONTRACT}", ""):
        assert discovered(tmp_path, FINE + TWO.format(option="k: int = 1") + declared).broken == []


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_public_name_works_with_a_warning_that_says_when_it_goes(old: str) -> None:
    renamed = RENAMED[old]
    with pytest.warns(DeprecationWarning, match=f"harness.{renamed.now} since .*; the old name goes in {renamed.removed_in}"):  # fmt: skip
        assert getattr(harness, old) is getattr(harness, renamed.now)
    since, removed = (tuple(map(int, version.split("."))) for version in (renamed.since, renamed.removed_in))
    assert removed >= (since[0], since[1] + 2), "two minor versions"
    assert old not in harness.__all__


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'nothing'"):
        _ = harness.nothing


HOSTILE = {
    "a part whose repr fails": (
        "class M(type):\n    def __repr__(cls): raise RuntimeError('no')\nclass A(metaclass=M): pass\n"
        "@hookimpl\ndef harness_models(): return [A]",
        "harness_models returned a M, expected a subclass of harness.Model",
    ),
    "a hook that leaves": ("import sys\n@hookimpl\ndef harness_models(): sys.exit(3)", "harness_models failed: SystemExit: 3"),
    "a hook that never ends": (
        "@hookimpl\ndef harness_thresholds():\n    while True: yield Fine",
        "harness_thresholds returned more than 1000 parts",
    ),
    "a module whose attributes cannot be read": (
        "def __dir__(): return ['x', 'harness_thresholds']\ndef __getattr__(name): raise RuntimeError('no')\n"
        "@hookimpl\ndef harness_thresholds(): return [3]",
        "does not say its harness_contract: RuntimeError: no",
    ),
    "an oracle that says it is none": (
        "class O(OracleThreshold):\n    name = 'o'\n    oracle = False\n    def fit_oracle(self, scores, labels): return 0.0\n"
        "@hookimpl\ndef harness_thresholds(): return [O]",
        "an OracleThreshold that says it is no oracle",
    ),
    "a part of another kind": (
        "class O(Threshold):\n    name = 'o'\n    kind = 'model'\n    def fit(self, normal): return 0.0\n"
        "@hookimpl\ndef harness_thresholds(): return [O]",
        "whose kind is 'model', expected 'threshold'",
    ),
    "an axis that there is not": (
        "class G(Model):\n    name = 'g'\n    uses = frozenset({'pools'})\n    def fit(self, n, **k): pass\n    def score(self, i): pass\n"
        "@hookimpl\ndef harness_models(): return [G]",
        "no axis 'pools'. Did you mean 'pool'?",
    ),
    "a name that is a property that fails": (
        "class M(type(Threshold)):\n    @property\n    def name(cls): raise RuntimeError('no')\n"
        "class P(Threshold, metaclass=M):\n    def fit(self, n): return 0.0\n@hookimpl\ndef harness_thresholds(): return [P]",
        "which cannot be looked at: RuntimeError: no",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_plugin_is_named_with_one_problem_and_the_others_go_on(tmp_path: Path, case: str) -> None:
    source, problem = HOSTILE[case]
    registry = discovered(tmp_path, FINE + source)
    assert "mean" in registry.offers(Threshold)
    assert "dae" in registry.offers(Model)
    (broken,) = registry.broken
    assert len(broken.problems) == 1, broken.problems
    assert problem in broken.problems[0]
    for command in (["list"], ["list", "plugins"]):
        result = CliRunner().invoke(main, [*command, "--plugin", str(tmp_path / "stranger.py")])
        assert result.exit_code == 0, result.output


def test_the_hostile_plugins_that_we_were_given_are_loaded_or_named(shared: Path) -> None:
    files = sorted((shared / "inputs" / "hostile").glob("*.py"))
    registry = Registry.discover(files, environ={"HARNESS_PLUGINS": ""})
    assert "mean" in registry.offers(Threshold)
    found = {plugin.name: plugin.problems for plugin in registry.broken}
    assert found.keys() == {"odd_data"}
    assert "says it is no oracle" in found["odd_data"][0]


def test_a_part_that_refuses_its_options_without_words_is_refused_in_one_line(tmp_path: Path) -> None:
    refusing = """
class Wordless(ValueError, Mute): pass

@dataclass
class Refusing(Threshold):
    name = "refusing"
    level: int = 0
    def __post_init__(self):
        if self.level: raises(Wordless())
    def fit(self, normal): return 0.0

@hookimpl
def harness_thresholds(): return [Refusing]
"""
    registry = discovered(tmp_path, refusing)
    with pytest.raises(UsageError, match=r"^threshold 'refusing': it cannot say what is wrong$"):
        registry.make(Threshold, "refusing[level=1]")
