"""The checks of any part, and how the kit is handed to pytest."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

import harness.testing
from harness import Dataset, Encoder, Loss, Model, Threshold, UnavailableError
from harness.testing import attempt, checks_for, parametrize_with_checks
from harness.testing.parts import check_options_can_be_spelt, check_spelling_makes_it_again, fresh


@dataclass
class Mean(Threshold):
    name = "mean"
    weight: float = 1.0

    def fit(self, normal):
        return float(self.weight * normal.mean())


@dataclass
class OfAList(Mean):
    values: list[int] | None = None


@dataclass
class OfADictionary(Mean):
    values: dict[str, int] | None = None


@dataclass
class ForgetsAnOption(Mean):
    def __post_init__(self):
        self.weight += 1


def failing(part):
    """The names of the checks that a part does not pass."""
    return {check.__name__ for check in checks_for(part) if attempt(check, part).status != "passed"}


def test_a_right_part_passes():
    assert failing(Mean()) == set()
    assert failing(Mean(weight=2.5)) == set()


def test_a_part_that_changes_its_options_when_made_is_found():
    with pytest.raises(AssertionError, match=r"'mean\[weight=2\]' makes one spelt 'mean\[weight=3\]'"):
        check_spelling_makes_it_again(ForgetsAnOption())


def test_an_option_of_a_type_that_cannot_be_spelt_is_found():
    with pytest.raises(AssertionError, match=r"option 'values' is \[1, 2\] of type list\[int\]"):
        check_options_can_be_spelt(OfAList(values=[1, 2]))
    with pytest.raises(AssertionError, match=r"option 'values' is \{'a': 1\} of type dict\[str, int\]"):
        check_options_can_be_spelt(OfADictionary(values={"a": 1}))
    check_options_can_be_spelt(OfAList())


def test_a_fresh_part_has_the_options_and_nothing_else():
    used = Mean(weight=3.0)
    used.learned = 1
    assert fresh(used) == Mean(weight=3.0)
    assert not hasattr(fresh(used), "learned")


def test_what_cannot_be_told_here_is_skipped_and_what_goes_wrong_fails():
    def unavailable(part):
        raise UnavailableError("no weights here")

    def broken(part):
        raise KeyError("limit")

    assert attempt(unavailable, Mean()) == harness.testing.Outcome("skipped", "no weights here")
    assert attempt(broken, Mean()) == harness.testing.Outcome("failed", "KeyError: 'limit'")


@pytest.mark.parametrize("kind", [Model, Encoder, Loss, Threshold, Dataset])
def test_every_check_of_a_module_is_yielded_for_some_part_of_its_kind(kind):
    module = getattr(harness.testing, {"loss": "losses"}.get(kind.kind, f"{kind.kind}s"))

    class Everything(kind):
        name = "everything"
        uses = frozenset({"encoder", "loss", "pool", "training"})
        pretrained = True
        network = None

    Everything.__abstractmethods__ = frozenset()
    defined = {name for name, value in vars(module).items() if name.startswith("check_")}
    assert {check.__name__ for check in module.checks(Everything())} == defined


def test_pytest_gets_an_id_for_each_part_and_check():
    mark = parametrize_with_checks([Mean, Mean(weight=2.0)])
    ids = [parameters.id for parameters in mark.args[1]]
    assert "mean-check_limit_does_not_depend_on_order" in ids
    assert "mean[weight=2]-check_limit_does_not_depend_on_order" in ids


def test_a_check_that_cannot_be_told_is_skipped_in_pytest():
    class NeedsRoot(Dataset):
        name = "needs_root"
        layout = "ROOT/train/*.png"

        def categories(self):
            raise AssertionError("not reached without a root")

        def load(self, category, image_size):
            raise AssertionError("not reached without a root")

    mark = parametrize_with_checks([NeedsRoot])
    part, check = next(p.values for p in mark.args[1] if p.id.endswith("check_order_is_stable"))
    with pytest.raises(pytest.skip.Exception, match=r"no data root was given: expected .* laid out as ROOT/train"):
        check(part)


@parametrize_with_checks([Mean()])
def test_the_kit_runs_under_pytest_as_documented(part, check):
    check(part)


def test_importing_the_kit_loads_neither_torch_nor_pytest():
    code = "import sys, harness.testing; print(sorted({'torch', 'pytest', 'timm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
