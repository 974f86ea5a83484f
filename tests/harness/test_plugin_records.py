"""What the registry says of a plugin, its contract and its file: records, messages and where each is looked for."""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import harness
from harness import CONTRACT, Loss, Metric, Model, PixelMetric, Pool, Threshold, UsageError, hookimpl
from harness.api import Part
from harness.plugin import contract, hookspecs, registry
from harness.plugin.contract import misfit, misfit_of_source
from harness.plugin.plugin_files import contents, module_names, module_of
from harness.plugin.registry import HOOKS, KINDS, Plugin, Registry


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (1, ""),
        (2, "is made for contract 2, and this harness has contract 1: upgrade anomaly-harness"),
        (0, "says harness_contract = 0, expected the whole number of a contract, as 1"),
        (True, "says harness_contract = True, expected the whole number of a contract, as 1"),
        ("1", "says harness_contract = '1', expected the whole number of a contract, as 1"),
    ],
)
def test_a_plugin_for_another_contract_is_told_which_one_is_here(said: object, problem: str) -> None:
    assert misfit(SimpleNamespace(harness_contract=said)) == problem
    assert misfit_of_source(f"import tomorrow\nharness_contract = {said!r}\n".encode()) == problem


def test_a_module_that_says_no_contract_is_taken_for_the_first() -> None:
    assert misfit(SimpleNamespace()) == ""
    assert CONTRACT == 1

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert misfit(Broken()) == "does not say its harness_contract: RuntimeError: harness_contract"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "harness_contract = CONTRACT",
        "other = 2",
        "def broken(:",
        "a\0b",
        "harness.harness_contract = 2",
        "harness_contract: int",
    ],
)
def test_a_source_that_says_no_number_of_a_contract_has_no_misfit(source: str) -> None:
    assert misfit_of_source(source.encode()) == ""


def test_the_contract_is_found_among_several_names_and_behind_other_lines() -> None:
    assert misfit_of_source(b"import a\nX = 1\nCONTRACT = harness_contract = 7\n").startswith("is made for contract 7,")


@pytest.mark.parametrize(
    ("old", "now", "said"),
    [
        ("unknown", "unknown_name", "harness.unknown is harness.unknown_name since 0.1; the old name goes in 0.3"),
        ("shown", "path_text", "harness.shown is harness.path_text since 0.1; the old name goes in 0.3"),
    ],
)
def test_an_old_name_says_what_it_is_called_now_and_until_when_it_works(old: str, now: str, said: str) -> None:
    with pytest.warns(DeprecationWarning, match="the old name goes") as told:
        assert getattr(harness, old) is getattr(harness, now)
    assert [str(one.message) for one in told] == [said]
    assert told[0].filename == __file__
    with pytest.raises(AttributeError, match="^module 'harness' has no attribute 'never'$"):
        contract.current_name("never")


def test_each_kind_of_part_has_the_hook_that_is_called_like_it() -> None:
    for kind, hook in HOOKS.items():
        plural = {"loss": "losses"}.get(kind.kind, f"{kind.kind}s")
        assert hook == f"harness_{plural}"
        assert hasattr(getattr(hookspecs, hook), "harness_spec")
        assert KINDS[kind.kind] is kind
    specified = {name for name in dir(hookspecs) if name.startswith("harness_")}
    assert specified == set(HOOKS.values())


def test_a_plugin_is_called_by_its_place_in_messages_and_by_no_folder_in_records() -> None:
    file = Plugin("mine", "mine.py", "1234abcd", path="/home/ada/mine.py")
    assert (file.place, str(file), file.recorded) == (
        "/home/ada/mine.py",
        "mine (/home/ada/mine.py 1234abcd)",
        "mine (mine.py 1234abcd)",
    )
    installed = Plugin("losses", "anomaly-harness", "0.1.0")
    assert (installed.place, str(installed)) == ("anomaly-harness", "losses (anomaly-harness 0.1.0)")
    assert installed.builtin
    assert not file.builtin


def thresholds(*names: str, **attributes: object) -> Any:
    module = types.ModuleType("stranger")
    body = {"fit": lambda self, normal: 0.0, **attributes}
    parts = [type(name.title(), (Threshold,), {"name": name, **body}) for name in names]
    module.harness_thresholds = hookimpl(lambda: parts)  # type: ignore[attr-defined]
    return module


def with_plugins(**modules: Any) -> Registry:
    found = Registry()
    for name, module in modules.items():
        found.register(module, name, f"dist-{name}", "1.0")
    return found


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as caught:
        ask()
    return str(caught.value)


def test_parts_are_offered_in_alphabetical_order_with_their_plugin() -> None:
    found = with_plugins(one=thresholds("zeta", "alpha"))
    assert list(found.offers(Threshold)) == ["alpha", "zeta"]
    assert found.offers(Threshold)["alpha"].plugin.recorded == "one (dist-one 1.0)"
    assert found.offers(Loss) == {}


def test_a_name_that_several_offer_is_refused_with_all_of_them() -> None:
    found = with_plugins(one=thresholds("same"), two=thresholds("same"), three=thresholds("same", "other"))
    assert refused(lambda: found.make(Threshold, "same")) == (
        "threshold 'same' is offered by one (dist-one 1.0) and two (dist-two 1.0) and three (dist-three 1.0): "
        "uninstall one, or set HARNESS_PLUGINS"
    )
    assert [type(one).name for one in found.choose(Threshold, "all")] == ["other"]
    assert [plugin.problems for plugin in found.broken] == [
        ["offers threshold 'same', which one (dist-one 1.0) offers too"],
        ["offers threshold 'same', which one (dist-one 1.0) offers too"],
    ]
    assert found.left_out == []


def test_a_plugin_that_offers_a_name_twice_or_takes_that_of_a_built_in_part_makes_no_rivals() -> None:
    twice = thresholds("same")
    parts = [type("A", (Threshold,), {"name": "same", "fit": lambda self, normal: 0.0}) for _ in range(2)]
    twice.harness_thresholds = hookimpl(lambda: parts)
    found = Registry()
    found.register(thresholds("builtin"), "ours", registry.DISTRIBUTION, "1")
    found.register(twice, "one", "dist-one", "1")
    found.register(thresholds("builtin"), "two", "dist-two", "1")
    assert isinstance(found.make(Threshold, "same"), parts[0])
    assert found.offers(Threshold)["builtin"].plugin.builtin
    assert found.offers(Threshold)["builtin"].rivals == ()
    assert [plugin.problems for plugin in found.broken] == [
        ["offers threshold 'same', which one (dist-one 1) offers too"],
        ["offers threshold 'builtin', which ours (anomaly-harness 1) offers too"],
    ]


def test_a_list_that_names_nothing_and_a_part_of_a_wider_kind_are_refused() -> None:
    found = with_plugins(one=thresholds("same"))
    assert refused(lambda: found.choose(Threshold, " ")) == "no threshold in ' ': expected a comma list, or 'all'"
    assert refused(lambda: found.make(Threshold, "sane")) == (
        "no threshold 'sane'. Did you mean 'same'? Available: same."
    )
    metrics = types.ModuleType("metrics")
    metric = type("M", (Metric,), {"name": "image_only"})
    metric.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    metrics.harness_metrics = hookimpl(lambda: [metric])  # type: ignore[attr-defined]
    found.register(metrics, "metrics")
    assert refused(lambda: found.make(PixelMetric, "image_only")) == "metric 'image_only' is no PixelMetric"
    assert type(found.make(Metric, "image_only")) is metric


def test_all_leaves_out_what_needs_options_floors_and_what_cannot_be_made() -> None:
    def refuse(self: Any) -> None:
        raise ValueError("say how")

    found = with_plugins(
        one=thresholds("usual"),
        two=thresholds("needy", needs_options=True),
        three=thresholds("floor", floor=True),
        four=thresholds("picky", __init__=refuse),
        five=thresholds("shy", __init__=refuse, needs_options=True),
    )
    assert [type(one).name for one in found.choose(Threshold, " all ")] == ["usual"]
    assert found.left_out == [
        "four (dist-four 1.0): `all` leaves threshold 'picky' out, which cannot be made without options "
        "(picky: say how); needs_options = True in Picky says that this is meant"
    ]
    assert found.floors() == []


def test_floors_are_the_models_that_say_so_and_have_no_rival() -> None:
    def floor(name: str, **more: object) -> Any:
        part = type(name, (Model,), {"name": name, **more})
        part.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
        return part

    module, rival = types.ModuleType("floors"), types.ModuleType("rival")
    module.harness_models = hookimpl(lambda: [floor("low", floor=True), floor("both", floor=True), floor("high")])  # type: ignore[attr-defined]
    rival.harness_models = hookimpl(lambda: [floor("both", floor=True)])  # type: ignore[attr-defined]
    assert [type(one).name for one in with_plugins(one=module, two=rival).floors()] == ["low"]


@pytest.mark.parametrize(
    ("attributes", "problems"),
    [
        ({"harness_thresholds": lambda: []}, ["has a function 'harness_thresholds' without @hookimpl in front of it"]),
        (
            {"harness_treshold": hookimpl(lambda: [])},
            [
                "has no hook 'harness_treshold'. Did you mean 'harness_thresholds'? Available: "
                f"{', '.join(sorted(HOOKS.values()))}."
            ],
        ),
        ({"harness_pools": 3}, ["has no hook: expected a function such as harness_models with @hookimpl before it"]),
        ({"harness_pools": hookspecs.harness_pools, "harness_models": hookimpl(lambda: [])}, []),
        (
            {"harness_models": hookimpl(lambda config: [])},
            [
                "has a hook that does not fit: Plugin 'dist-one:one' for hook 'harness_models' hookimpl definition: "
                "<lambda>(config) Argument(s) {'config'} are declared in the hookimpl but can not be found in the "
                "hookspec"
            ],
        ),
        ({"harness_contract": 5}, ["is made for contract 5, and this harness has contract 1: upgrade anomaly-harness"]),
    ],
)
def test_a_module_whose_hooks_are_wrong_is_told_how(attributes: dict[str, object], problems: list[str]) -> None:
    module = types.ModuleType("stranger")
    module.__dict__.update(attributes)
    found = with_plugins(one=module)
    assert found.plugins[0].problems == problems
    assert found.broken == ([found.plugins[0]] if problems else [])


def test_a_hook_that_fails_is_named_and_one_that_is_interrupted_is_not_held_up() -> None:
    def fails() -> Any:
        raise OSError("no\ndisk")

    def stopped() -> Any:
        raise KeyboardInterrupt

    module = types.ModuleType("stranger")
    module.harness_pools = hookimpl(fails)  # type: ignore[attr-defined]
    found = with_plugins(one=module, two=thresholds("fine"))
    assert found.offers(Pool) == {}
    assert list(found.offers(Threshold)) == ["fine"]
    assert found.broken[0].problems == ["harness_pools failed: OSError: no disk"]
    module.harness_pools = hookimpl(stopped)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        with_plugins(one=module).offers(Pool)


def test_a_part_that_came_later_is_offered_too() -> None:
    found = with_plugins(one=thresholds("early"))
    assert list(found.offers(Threshold)) == ["early"]
    found.register(thresholds("late"), "two")
    assert list(found.offers(Threshold)) == ["early", "late"]
    assert found.plugins[1].recorded == "two (in this process -)"


def test_an_import_that_is_interrupted_is_not_noted_as_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    found = Registry()
    with pytest.raises(KeyboardInterrupt):
        found._load_files({file: b"raise KeyboardInterrupt"})
    found._load_files({file: b"raise SystemExit(3)"})
    assert found.plugins[-1].problems == ["cannot be imported: SystemExit: 3"]
    assert "harness_plugin_file_mine" not in sys.modules


def test_a_plugin_file_has_the_digest_of_its_content_as_its_version(tmp_path: Path) -> None:
    found = Registry()
    file = tmp_path / "deep" / "mine.py"
    found._load_files({file: b"x = 1\n", tmp_path / "mine.py": b"x = 2\n"})
    assert [(one.name, one.distribution, one.path) for one in found.plugins] == [
        ("mine", "mine.py", str(file)),
        ("mine", "mine.py", str(tmp_path / "mine.py")),
    ]
    assert found.plugins[0].version == hashlib.sha256(b"x = 1\n").hexdigest()[:8]
    assert {name: module.x for name, module in found.file_modules.items()} == {
        "harness_plugin_file_mine": 1,
        "harness_plugin_file_mine_2": 2,
    }


def test_the_source_of_a_module_that_cannot_be_found_is_empty() -> None:
    assert b"def misfit(" in registry._source_of("harness.plugin.contract")
    for module in ("nowhere_at_all", "nowhere.at_all", "", "sys"):
        assert registry._source_of(module) == b""


def test_an_entry_point_of_no_distribution_has_no_name_and_an_unknown_version() -> None:
    entry = SimpleNamespace(dist=None)
    other = SimpleNamespace(dist=SimpleNamespace(metadata={"Name": "acme", "Version": "1.5"}))
    found = registry._releases([entry, other])  # type: ignore[list-item]
    assert found == {id(None): ("", "unknown"), id(other.dist): ("acme", "1.5")}


def test_plugin_files_are_read_whole_and_one_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    assert contents([tmp_path / "a.py"]) == {tmp_path / "a.py": b"x = 1\n"}
    assert refused(lambda: contents([tmp_path / "a.py", Path("gone.py")])) == (
        "no plugin file 'gone.py': expected the path of a Python file"
    )
    assert refused(lambda: contents([tmp_path])).startswith("no plugin file")


def test_files_of_one_name_are_numbered_from_the_second(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "one.py", tmp_path / "two.py", tmp_path / "b" / "one.py", tmp_path / "c" / "one.py"]
    assert list(module_names(files).values()) == [
        f"harness_plugin_file_{end}" for end in ("one", "two", "one_2", "one_3")
    ]


def test_a_plugin_file_is_imported_from_its_content_and_left_nowhere_where_it_fails(tmp_path: Path) -> None:
    file, name = tmp_path / "mine.py", "harness_plugin_file_of_test"
    try:
        module = module_of(file, b"import inspect\nx = 1\ndef f(): return x\n", name)
        assert sys.modules[name] is module
        assert (module.x, module.__file__) == (1, str(file))
        loader = module.__loader__
        assert loader.get_data(str(file)).startswith(b"import inspect")
        assert loader.get_filename(name) == str(file)
        with pytest.raises(FileNotFoundError, match="other"):
            loader.get_data("other")
    finally:
        sys.modules.pop(name, None)
    with pytest.raises(ZeroDivisionError):
        module_of(file, b"1 / 0", name)
    assert name not in sys.modules
    with pytest.raises(ImportError, match="mine.txt is not a Python file$"):
        module_of(tmp_path / "mine.txt", b"", name)


def test_the_plugins_of_the_core_come_first_and_strangers_after_ours() -> None:
    found = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    assert found.plugins[0].recorded.startswith("local (anomaly-harness ")
    assert all(isinstance(one, Plugin) for one in found.plugins)
    assert issubclass(found.offers(KINDS["executor"])["local"].part, Part)


def test_entry_points_of_one_name_are_loaded_from_each_distribution_and_ours_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def entry(distribution: str, name: str, part: str) -> Any:
        dist = SimpleNamespace(metadata={"Name": distribution, "Version": "1"})
        return SimpleNamespace(name=name, module="nowhere", dist=dist, load=lambda: thresholds(part))

    entries = [entry("zeta", "limits", "a"), entry("anomaly-harness", "own", "b"), entry("acme", "limits", "c")]
    monkeypatch.setattr(registry.importlib.metadata, "entry_points", lambda group: entries)

    def loaded(**environ: str) -> list[str]:
        return [plugin.recorded for plugin in Registry.discover(environ=environ).plugins[1:]]

    assert loaded() == ["own (anomaly-harness 1)", "limits (acme 1)", "limits (zeta 1)"]
    assert loaded(HARNESS_PLUGINS=" zeta , other") == ["own (anomaly-harness 1)", "limits (zeta 1)"]
    assert loaded(HARNESS_PLUGINS="limits") == loaded()
    assert loaded(HARNESS_PLUGINS="") == ["own (anomaly-harness 1)"]
