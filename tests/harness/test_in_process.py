"""Parts of a notebook: which are taken, under which record, and what is said of those that cannot be."""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import Loss, Part, Threshold, UsageError, hookimpl
from harness.plugin import in_process
from harness.plugin.digest import digest_of
from harness.plugin.in_process import IN_PROCESS, UNREAD, broken, choose, register, registry_with, some_of
from harness.plugin.registry import Registry


@dataclass
class Level(Threshold):
    name = "level"
    share: float = 0.5
    sides: tuple[str, ...] = ("a",)

    def fit(self, normal: Any) -> float:
        return self.share


class Plain(Threshold):
    name = "plain_one"

    def fit(self, normal: Any) -> float:
        return 0.0


def in_module(name: str = "notebook", **known: object) -> Any:
    module = types.ModuleType(name)
    module.__dict__.update(known)
    return module


def offering(*parts: type[Part]) -> Any:
    return in_module(harness_thresholds=hookimpl(lambda: list(parts)))


def test_classes_instances_and_modules_are_each_registered_with_the_digest_of_their_code() -> None:
    registry = Registry()
    module = offering(Plain)
    register(registry, [Level, Level(0.25), module])
    level, plain = (registry.offers(Threshold)[name].plugin for name in ("level", "plain_one"))
    assert (level.name, level.distribution, level.version) == ("level", IN_PROCESS, digest_of(Level))
    assert (plain.name, plain.distribution, plain.version) == ("notebook", "in this process", UNREAD)
    assert UNREAD == "unread"
    assert len(registry.plugins) == 2
    assert broken(registry) == []


def test_what_is_no_part_is_left_to_whoever_asks_for_it() -> None:
    registry = Registry()
    register(registry, ["dae", 3, int])
    assert registry.plugins == []


def test_the_code_of_a_class_that_cannot_be_read_is_recorded_as_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "digest_of", lambda code: "")
    registry = Registry()
    register(registry, [Plain])
    assert registry.offers(Threshold)["plain_one"].plugin.version == UNREAD
    other = type("Plain", (Plain,), {"__qualname__": Plain.__qualname__})
    with pytest.raises(UsageError, match="has the name of one that plain_one"):
        register(registry, [other])


def made(title: str, bases: tuple[type, ...] = (Threshold,), **attributes: object) -> Any:
    return type(title, bases, {"fit": lambda self, normal: 0.0, **attributes})


@dataclass
class Unspelt(Threshold):
    name = "unspelt"
    weights: bytes = b""

    def fit(self, normal: Any) -> float:
        return 0.0


class Taking(Threshold):
    name = "taking"

    def __init__(self, gain: float, *more: float, offset: float = 0.0, **others: float) -> None:
        self.gain = gain

    def fit(self, normal: Any) -> float:
        return self.gain


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (made("Mine", (Part,), name="mine"), "Mine is a part of no kind: expected a subclass of harness.Model, say"),
        (
            made("Mine", name="Mine"),
            "Mine cannot be used as a threshold: its name is 'Mine', expected lower case letters, digits and "
            "underscores, and not 'all'",
        ),
        (
            type("Mine", (Threshold,), {"name": "mine"}),
            "Mine cannot be used as a threshold: it does not define fit",
        ),
        (
            Unspelt,
            "Unspelt cannot be used as a threshold: its option 'weights' is of type <class 'bytes'>, expected bool, "
            "int, float, str, Literal, a tuple of these, a kind of part such as Loss, or one of these or None",
        ),
        (
            Taking,
            "Taking takes gain, offset, which a record cannot remember: make it a dataclass, whose fields are its "
            "options",
        ),
        (
            offering(made("A", name="a"), made("B", name="B")),
            "notebook cannot be used: harness_thresholds returned <class 'abc.B'>, whose "
            "name is 'B', expected lower case letters, digits and underscores, and not 'all'",
        ),
        (
            in_module(harness_contract=99, harness_models=hookimpl(lambda: [])),
            "notebook cannot be used: is made for contract 99, and this harness has contract 1: upgrade "
            "anomaly-harness",
        ),
        (
            in_module(),
            "notebook cannot be used: has no hook: expected a function such as harness_models with @hookimpl before it",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(given: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        register(Registry(), [given])
    assert str(caught.value) == said


def test_a_class_that_takes_whatever_it_is_given_needs_no_options() -> None:
    class Open(Threshold):
        name = "open"

        def __init__(self, *more: float, **others: float) -> None:
            self.more = more

        def fit(self, normal: Any) -> float:
            return 0.0

    registry = Registry()
    register(registry, [Open])
    assert "open" in registry.offers(Threshold)


def test_another_class_of_a_name_that_is_taken_is_asked_to_take_another() -> None:
    registry = Registry()
    register(registry, [Plain, Plain])
    with pytest.raises(UsageError) as caught:
        register(registry, [made("Other", name="plain_one")])
    assert str(caught.value) == (
        "threshold 'plain_one' of this process has the name of one that plain_one (in this process "
        f"{digest_of(Plain)}) offers: give Other another name"
    )


def test_every_problem_of_a_plugin_is_a_line_and_so_is_each_part_that_all_leaves_out() -> None:
    class Picky(Plain):
        name = "picky"

        def __init__(self) -> None:
            raise ValueError("say how")

    registry = Registry()
    registry.register(offering(made("A", name="A"), made("B", name="B"), Picky), "mine")
    first, second, third = broken(registry)
    assert first.startswith("plugin mine (in this process -) harness_thresholds returned ")
    assert "whose name is 'A'" in first
    assert "whose name is 'B'" in second
    assert third == (
        "plugin mine (in this process -): `all` leaves threshold 'picky' out, which cannot be made without options "
        "(picky: say how); needs_options = True in Picky says that this is meant"
    )


def test_files_are_discovered_and_everything_else_is_registered(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from harness import Threshold, hookimpl\nclass A(Threshold):\n    name = 'of_file'\n"
        "    def fit(self, normal): return 0.0\n@hookimpl\ndef harness_thresholds(): return [A]\n"
    )
    registry = registry_with([file, Plain])
    assert {"of_file", "plain_one"} <= registry.offers(Threshold).keys()


def test_parts_are_chosen_by_spelling_with_alternatives_by_class_and_by_instance() -> None:
    registry = Registry()
    register(registry, [Level, Plain])
    found = choose(registry, Threshold, ["level[share=0.1|0.2]", Plain, Level(0.3)])
    assert found[:2] == [Level(0.1), Level(0.2)]
    assert isinstance(found[2], Plain)
    assert found[3] == Level(0.3)
    assert [type(one) for one in choose(registry, Threshold, ["all"])] == [Level, Plain]
    assert choose(registry, Threshold, []) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Level("half"), "threshold 'level' has the option share = 'half': expected a finite number"),  # type: ignore[arg-type]
        (
            Level("x" * 80),  # type: ignore[arg-type]
            f"threshold 'level' has the option share = '{'x' * 59}: expected a finite number",
        ),
        (
            Level(sides=("a-b",)),
            "threshold 'level' has the option sides = ('a-b',), and its spelling 'level[sides=a-b]' makes ('a', 'b') "
            "of it: choose another value (a text may not be 'none' where none is allowed, and those of a tuple may "
            "have no dash)",
        ),
    ],
)
def test_an_instance_that_its_spelling_would_not_make_again_is_refused(asked: Part, said: str) -> None:
    registry = Registry()
    register(registry, [Level])
    with pytest.raises(UsageError) as caught:
        choose(registry, Threshold, [asked])
    assert str(caught.value) == said


def test_names_come_in_the_order_asked_for_and_each_once() -> None:
    known = ["bolt", "nut", "all"]
    assert some_of(["all"], known, "category") == known
    assert some_of(["nut", "bolt", "nut"], known, "category") == ["nut", "bolt"]
    assert some_of(['"all"', "nut"], known, "category") == ["all", "nut"]
    with pytest.raises(UsageError, match=r"^no category 'nit'. Did you mean 'nut'\? Available: all, bolt, nut.$"):
        some_of(["nut", "nit"], known, "category")
    with pytest.raises(UsageError, match=r"^no category is asked for: expected a comma list, or 'all'$"):
        some_of([], known, "category")


def test_an_axis_of_another_kind_is_not_filled_with_a_part_of_this_one() -> None:
    registry = Registry()
    register(registry, [Plain])
    with pytest.raises(UsageError, match="no loss 'plain_one'. Available: none."):
        choose(registry, Loss, [Plain()])  # type: ignore[list-item]
