"""What counts as replaced in a library that all trials share, and how it is put back: asked of modules made here."""

from __future__ import annotations

import gc
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.plugin import library_functions
from harness.plugin.library_functions import kept, look, put_back

OURS = """
from functools import lru_cache
LIMIT = 3
NAMES = ("a", "b")
TABLE = {"a": 1, "b": 2}
ROWS = [1, 2]
SEEN = {1, 2}
spare = {"not": "a constant"}
TOOL = print
OTHER = object()

def add(a, b=2, *, c=3):
    return a + b + c

class Base:
    def score(self):
        return 1
    size = 4

class Part(Base):
    gain = 2
    def fit(self):
        return 1
    @property
    def width(self):
        return 1
    @classmethod
    def made(cls):
        return 1
    @staticmethod
    def free():
        return 1
"""

Made = Callable[..., Any]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Puts a module of this source among those that are imported; it is gone after the test."""
    names: list[str] = []

    def make(name: str, source: str = OURS, file: str = "<made>", **known: object) -> Any:
        module = types.ModuleType(name)
        module.__dict__.update(known)
        exec(compile(source, file, "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, name, module)
        names.append(name)
        return module

    yield make
    for known in (library_functions._known, library_functions._seen):
        for name in [one for one in known if one.startswith(tuple(names))]:
            del known[name]


def test_every_module_that_is_watched_is_there_to_be_watched() -> None:
    """A name that is written wrongly would watch nothing, and say nothing."""
    torch = importlib.util.find_spec("torch")
    for name in (*library_functions._OF_PYTHON, *library_functions._LIBRARIES, *library_functions._MODULES):
        assert library_functions._is_watched(name)
        if name.startswith("torch."):  # it is looked for in its folder, as importing torch takes seconds
            assert torch is None or (Path(torch.submodule_search_locations[0]) / name.partition(".")[2]).is_dir(), name
        elif name not in ("torch", "timm"):  # which are extras
            assert importlib.util.find_spec(name) is not None, name
    assert {"torch", "timm"} <= {*library_functions._MODULES, *library_functions._LIBRARIES}
    assert library_functions._CLASSES == (("torch", "Tensor"),)


@pytest.mark.parametrize(
    ("name", "watched"),
    [
        ("json", True),
        ("json.tool", False),
        ("numpy", True),
        ("numpy.linalg", True),
        ("numpyro", False),
        ("torch", True),
        ("torch.fft", True),
        ("torch.nn.functional", True),
        ("torch.cuda", False),
        ("harness", True),
        ("harness.trials.trial", True),
        ("harness_timm", True),
        ("harnessing", False),
        ("harness_plugin_file_mine", True),
        ("requests", False),
    ],
)
def test_functions_that_figures_are_made_with_are_watched_and_no_others(name: str, watched: bool) -> None:
    assert library_functions._is_watched(name) is watched


@pytest.mark.parametrize(
    ("name", "ours"),
    [("harness.api", True), ("harness_timm.parts", True), ("harness_plugin_file_a", False), ("harnesses", False)],
)
def test_a_plugin_file_is_none_of_ours(name: str, ours: bool) -> None:
    assert library_functions._is_ours(name) is ours


def replaced_within(change: Callable[[], object], own: str = "") -> list[str]:
    with kept(own) as replaced:
        change()
    return replaced


def test_what_is_left_alone_is_not_named(made: Made) -> None:
    made("harness_made")
    assert replaced_within(lambda: None) == []


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        ("", "add", len),
        ("", "LIMIT", 4),
        ("", "NAMES", ("a",)),
        ("", "TABLE", {}),
        ("", "ROWS", [1]),
        ("", "SEEN", {1}),
        ("", "spare", {}),
        ("", "TOOL", len),
        ("", "Part", int),
        ("Part", "fit", len),
        ("Part", "gain", 3),
        ("Part", "width", 1),
        ("Part", "made", len),
        ("Part", "free", len),
    ],
)
def test_a_function_class_constant_or_table_of_ours_is_put_back_and_named(
    made: Made, owner: str, name: str, value: object
) -> None:
    module = made("harness_made")
    place = getattr(module, owner) if owner else module
    was = vars(place)[name]
    said = f"harness_made.{owner}.{name}" if owner else f"harness_made.{name}"
    assert replaced_within(lambda: setattr(place, name, value)) == [said]
    assert vars(place)[name] is was
    assert replaced_within(lambda: delattr(place, name)) == [said]
    assert vars(place)[name] is was


def test_an_object_that_is_neither_function_nor_constant_may_be_another(made: Made) -> None:
    module = made("harness_made")
    assert replaced_within(lambda: setattr(module, "OTHER", object())) == []


def test_of_a_library_functions_count_and_constants_do_not(made: Made) -> None:
    module = made("numpy.made_here")
    assert replaced_within(lambda: setattr(module, "LIMIT", 4)) == []
    assert module.LIMIT == 4
    assert replaced_within(lambda: setattr(module, "TOOL", len)) == ["numpy.made_here.TOOL"]
    assert module.TOOL is print
    assert replaced_within(lambda: module.TABLE.clear()) == []


def test_of_a_plugin_file_its_own_functions_count_and_what_is_merely_callable_does_not(made: Made) -> None:
    module = made("harness_plugin_file_made")
    assert replaced_within(lambda: setattr(module, "TOOL", len)) == []
    assert replaced_within(lambda: setattr(module, "LIMIT", 4)) == []
    assert replaced_within(lambda: module.TABLE.clear()) == []
    assert replaced_within(lambda: setattr(module, "add", len)) == ["harness_plugin_file_made.add"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda module: setattr(module.add, "__code__", (lambda a, b, *, c: 0).__code__), "add"),
        (lambda module: setattr(module.add, "__defaults__", (5,)), "add"),
        (lambda module: setattr(module.add, "__kwdefaults__", {"c": 5}), "add"),
        (lambda module: module.add.__kwdefaults__.update(c=5), "add"),
        (lambda module: setattr(module.Part.fit, "__code__", (lambda self: 0).__code__), "Part.fit"),
        (lambda module: setattr(module.Part.width.fget, "__code__", (lambda self: 0).__code__), "Part.width"),
        (lambda module: setattr(module.Part.made.__func__, "__code__", (lambda cls: 0).__code__), "Part.made"),
        (lambda module: setattr(module.Part.free, "__code__", (lambda: 0).__code__), "Part.free"),
        (lambda module: module.TABLE.update(a=5), "TABLE"),
        (lambda module: module.TABLE.pop("b"), "TABLE"),
        (lambda module: module.TABLE.update(c=3), "TABLE"),
        (lambda module: module.TABLE.update(a=module.TABLE.pop("a")), "TABLE"),
        (lambda module: module.ROWS.append(3), "ROWS"),
        (lambda module: module.ROWS.reverse(), "ROWS"),
        (lambda module: module.SEEN.add(3), "SEEN"),
    ],
)
def test_what_a_function_of_ours_does_and_what_a_table_holds_is_put_back(
    made: Made, change: Callable[[Any], object], name: str
) -> None:
    module = made("harness_made")
    assert replaced_within(lambda: change(module)) == [f"harness_made.{name}"]
    assert module.add(1) == 6
    part = module.Part()
    assert (part.fit(), part.width, module.Part.made(), module.Part.free()) == (1, 1, 1, 1)
    assert (list(module.TABLE.items()), module.ROWS, module.SEEN) == ([("a", 1), ("b", 2)], [1, 2], {1, 2})


def test_a_function_without_named_defaults_has_none_again(made: Made) -> None:
    module = made("harness_made", "def plain(a):\n    return a\n")
    assert replaced_within(lambda: setattr(module.plain, "__defaults__", (1,))) == ["harness_made.plain"]
    assert (module.plain.__defaults__, module.plain.__kwdefaults__) == (None, None)


def test_a_dictionary_that_is_no_constant_may_change(made: Made) -> None:
    module = made("harness_made")
    assert replaced_within(lambda: module.spare.update(more=1)) == []
    assert "more" in module.spare


def test_what_the_harness_itself_writes_into_a_table_between_two_looks_stays(made: Made) -> None:
    module = made("harness_made")
    assert replaced_within(lambda: None) == []
    module.TABLE["c"] = 3
    assert replaced_within(lambda: None) == []
    assert module.TABLE["c"] == 3


def test_what_is_replaced_between_two_looks_counts_as_it_is_at_the_second(made: Made) -> None:
    module = made("harness_made", "def add(a):\n    return a\n")
    look()
    module.add = newer = lambda a: a + 1
    assert replaced_within(lambda: setattr(module, "add", len)) == ["harness_made.add"]
    assert module.add is newer


def test_a_method_that_hides_that_of_a_base_is_taken_away_and_other_additions_stay(made: Made) -> None:
    part = made("harness_made").Part

    def add() -> None:
        part.score, part.size, part.more = len, 5, len

    assert replaced_within(add) == ["harness_made.Part.score"]
    assert part().score() == 1
    assert (vars(part)["size"], vars(part)["more"]) == (5, len)


def test_what_is_added_to_a_module_stays_unless_ours_finds_its_names_as_they_are_asked_for(made: Made) -> None:
    plain, asked = made("harness_made"), made("harness_asked", "def __getattr__(name):\n    return name\n")
    library = made("numpy.asked_here", "def __getattr__(name):\n    return name\n")

    def add() -> None:
        plain.load, asked.load, asked.SIZE, library.load = len, len, 3, len

    assert replaced_within(add) == ["harness_asked.load"]
    assert (plain.load, asked.load, asked.SIZE, library.load) == (len, "load", 3, len)


def test_a_module_that_was_put_in_the_place_of_another_goes_again(made: Made) -> None:
    module = made("harness_made")
    other = types.ModuleType("harness_made")
    assert replaced_within(lambda: sys.modules.update(harness_made=other)) == ["sys.modules['harness_made']"]
    assert sys.modules["harness_made"] is module


def test_a_module_that_is_imported_no_more_and_a_plugin_file_that_is_read_anew_are_nothing_replaced(made: Made) -> None:
    made("harness_made")
    made("harness_plugin_file_made")
    anew = types.ModuleType("harness_plugin_file_made")

    def change() -> None:
        del sys.modules["harness_made"]
        sys.modules["harness_plugin_file_made"] = anew

    assert replaced_within(change) == []
    assert sys.modules["harness_plugin_file_made"] is anew


def of_package(made: Made, folder: Path, name: str) -> Any:
    """A function whose code lies in a package of this name."""
    code = "def mine():\n    return 0\n"
    return made(name, code, file=str(folder / name / "inner" / "code.py"), __path__=[str(folder / name)]).mine


def test_a_library_may_replace_its_own_functions_and_no_stranger_may(made: Made, tmp_path: Path) -> None:
    module = made("timm.made_here")
    inside = made(
        "timm", "def mine():\n    return 0\n", str(tmp_path / "timm" / "a.py"), __path__=[str(tmp_path / "timm")]
    )
    assert replaced_within(lambda: setattr(module, "add", inside.mine)) == []
    assert module.add is inside.mine
    stranger = of_package(made, tmp_path, "stranger")
    assert replaced_within(lambda: setattr(module, "add", stranger)) == ["timm.made_here.add"]


def test_a_package_may_replace_functions_as_it_is_imported_but_not_the_plugin_itself(
    made: Made, tmp_path: Path
) -> None:
    module = made("numpy.made_here")

    def imports(name: str) -> None:
        module.add = of_package(made, tmp_path, name)

    usual = module.add
    assert replaced_within(lambda: imports("compiler_made")) == []
    module.add = usual
    assert replaced_within(lambda: imports("plugin_made"), own="plugin_made") == ["numpy.made_here.add"]
    assert module.add is usual


def test_an_added_function_of_the_same_library_may_hide_that_of_a_base(made: Made, tmp_path: Path) -> None:
    part = made("harness_made").Part
    before = look()
    part.score = of_package(made, tmp_path, "compiler_made")
    assert put_back(before, {"compiler_made"}) == []
    assert put_back(before, set()) == ["harness_made.Part.score"]


def test_a_class_that_lets_nobody_set_its_attributes_is_named_all_the_same(made: Made) -> None:
    source = "class Closed(type):\n    def __setattr__(cls, name, value):\n        raise TypeError(name)\n"
    part = made("harness_made", f"{source}class Part(metaclass=Closed):\n    def fit(self):\n        return 1\n").Part
    assert replaced_within(lambda: type.__setattr__(part, "fit", len)) == ["harness_made.Part.fit"]


def test_torch_replaces_its_storage_itself_as_its_default_type_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = types.SimpleNamespace(Storage=len, sum=len)
    monkeypatch.setitem(sys.modules, "torch", torch)  # another test may have imported the real one
    place = library_functions._Place(torch, "torch", {"Storage": max, "sum": max}, {}, {})
    assert put_back([library_functions.Look.at([place])], set()) == ["torch.sum"]


def test_classes_that_a_module_only_imports_are_looked_at_where_they_are_defined(made: Made) -> None:
    first = made("harness_first")
    made("harness_second", "", Part=first.Part)
    names = [place.name for one in look() for place in one.places]
    assert "harness_first.Part" in names
    assert "harness_second.Part" not in names
    assert names.index("harness_first") < names.index("harness_first.Part")


def test_a_module_that_comes_again_as_another_is_looked_at_anew(made: Made) -> None:
    made("harness_made")
    look()
    newer = made("harness_made", "class Newer:\n    def fit(self):\n        return 1\n")
    assert replaced_within(lambda: setattr(newer.Newer, "fit", len)) == ["harness_made.Newer.fit"]


def test_a_module_that_another_thread_imports_during_a_look_does_no_harm() -> None:
    """As MLflow's threads do. Collecting garbage stands for the other thread: both come in the midst of a copy of items."""
    added: list[str] = []

    def imports(phase: str, info: dict[str, int]) -> None:
        if len(added) < 20:
            added.append(f"imported_meanwhile_{len(added)}")
            sys.modules[added[-1]] = types.ModuleType(added[-1])

    thresholds = gc.get_threshold()
    gc.callbacks.append(imports)
    gc.set_threshold(1, 10_000, 10_000)
    try:
        look()
    finally:
        gc.callbacks.remove(imports)
        gc.set_threshold(*thresholds)
        for name in added:
            del sys.modules[name]
    assert added
