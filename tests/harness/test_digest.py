"""The digest of a part's code tells whether it would compute something else."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import pytest

from harness import Threshold
from harness.plugin.digest import _plain, digest_of

CODE = """
def {helper}(scores):
    return scores.max() * {factor}

GAIN = {gain}

class Part(Threshold):
    name = "part"
    bounds = {bounds}

    def fit(self, normal):
        return {helper}(normal) * GAIN[0]
"""
PLAIN = {"helper": "helper", "factor": 2, "gain": "(1, 2)", "bounds": "{'low': 0, 'high': 1}"}


def digest(**changed: object) -> str:
    """Of a class as of a notebook, whose source is nowhere."""
    module = types.ModuleType("a_notebook")
    module.Threshold = Threshold  # type: ignore[attr-defined]
    exec(CODE.format(**PLAIN | changed), module.__dict__)
    found = digest_of(module.Part)
    assert len(found) == 8
    return found


@pytest.mark.parametrize(
    "changed",
    [
        {"factor": 3},
        {"helper": "another"},
        *(
            {"gain": gain}
            for gain in ("(1, 3)", "[2, 1]", "{0: 1}", "{0: 2}", "{1: 1}", "('1', 2)", "{1, 2}", "{1, 3}")
        ),
        {"bounds": "{'low': 0, 'high': 2}"},
        {"bounds": "{'low': 0, 'top': 1}"},
        {"bounds": "{'low': 0}"},
        {"bounds": "None"},
    ],
    ids=str,
)
def test_another_constant_function_or_attribute_is_another_digest(changed: dict[str, object]) -> None:
    assert digest(**changed) != digest()


def test_the_order_in_which_a_mapping_or_a_set_was_filled_makes_no_difference() -> None:
    assert digest(bounds="{'high': 1, 'low': 0}") == digest()
    assert digest(gain="{1, 300, 7}") == digest(gain="{7, 1, 300}")


def test_collections_that_differ_in_one_value_have_digests_of_their_own() -> None:
    values = ("{0: 1}", "{0: 2}", "{1: 1}", "{1, 2}", "{1, 3}", "(1, 2)", "(1, 3)")
    assert len({digest(gain=value) for value in values}) == len(values)


def made(code: str, **known: object) -> type:
    """A class of a notebook, whose source is nowhere."""
    module = types.ModuleType("a_notebook")
    module.__dict__.update(Threshold=Threshold, dataclass=dataclass, **known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "a_notebook", module)  # where dataclass looks for it
        exec(code, module.__dict__)
    found: type = module.Part
    return found


WITH_MIXIN = """
class Mixin:
    def limit(self, normal):
        return normal.max() * {factor}

class Part(Threshold, Mixin):
    name = "part"
    def fit(self, normal):
        return self.limit(normal)
"""


def test_bases_behind_those_of_another_module_count_too() -> None:
    assert digest_of(made(WITH_MIXIN.format(factor=2))) != digest_of(made(WITH_MIXIN.format(factor=3)))


AS_DATACLASS = """
@dataclass{options}
class Part(Threshold):
    name = "part"
    {field}: float = 2.0
    def fit(self, normal):
        return normal.max()
"""


def test_what_dataclass_writes_is_no_code_of_the_part_and_its_options_are() -> None:
    plain = digest_of(made(AS_DATACLASS.format(options="", field="factor")))
    assert digest_of(made(AS_DATACLASS.format(options="(eq=False)", field="factor"))) == plain
    assert digest_of(made(AS_DATACLASS.format(options="", field="share"))) != plain


CLOSURE = """
class Helper:
    gain = {gain}

def outer(factor):
    later = None
    def inner(value):
        return value * factor * Helper.gain + (lambda: unset)() if value else 0
    if False:
        unset = 1
    return inner

inner = outer({factor})

def again(value):
    return again(value - 1) if value else {end}

class Part(Threshold):
    name = "part"
    def fit(self, normal):
        return inner(normal) + again(3)
    @property
    def width(self):
        return {width}
    @classmethod
    def made(cls):
        return {made}
    @staticmethod
    def free():
        return {free}
"""
VALUES = {"gain": 1, "factor": 2, "end": 3, "width": 4, "made": 5, "free": 6}


@pytest.mark.parametrize("name", VALUES)
def test_what_functions_enclose_call_and_use_of_classes_counts_and_so_does_every_kind_of_method(name: str) -> None:
    usual = digest_of(made(CLOSURE.format(**VALUES)))
    assert digest_of(made(CLOSURE.format(**VALUES))) == usual
    assert digest_of(made(CLOSURE.format(**VALUES | {name: 99}))) != usual


def test_what_another_module_has_is_no_code_of_the_part() -> None:
    code = "class Part(Threshold):\n    name = 'part'\n    def fit(self, normal):\n        return helper(normal)\n"

    def helper(normal: object) -> int:
        return 1

    def other(normal: object) -> int:
        return 2

    assert digest_of(made(code, helper=helper)) == digest_of(made(code, helper=other))
    assert digest_of(made(code, helper=3)) != digest_of(made(code, helper=4))


def test_the_source_of_a_module_is_its_digest_and_one_without_source_has_none() -> None:
    assert digest_of(sys.modules[digest_of.__module__]) == digest_of(sys.modules[digest_of.__module__])
    assert len(digest_of(types)) == 8
    assert digest_of(types) != digest_of(sys.modules["dataclasses"])
    assert digest_of(types.ModuleType("nowhere")) == ""
    assert digest_of(sys) == ""


def test_the_default_of_an_option_counts_and_a_name_that_python_gives_a_class_does_not() -> None:
    code = AS_DATACLASS.format(options="", field="factor")
    assert digest_of(made(code.replace("2.0", "3.0"))) != digest_of(made(code))
    documented = code.replace('    name = "part"', '    """Says something."""\n    name = "part"')
    assert digest_of(made(documented)) == digest_of(made(code))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        ("a", "'a'"),
        (b"a", "b'a'"),
        (1j, "1j"),
        ((1, [2, "b"]), "[1,[2,'b']]"),
        ({3, 1, 2}, "{1,2,3}"),
        ({"b": 1, "a": (2,)}, "{'a':[2],'b':1}"),
        (object(), ""),
        ([object(), 1], "[,1]"),
    ],
)
def test_plain_values_are_told_by_what_they_hold_and_others_not_at_all(value: object, text: str) -> None:
    assert _plain(value) == text
