from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness import PixelMetric, Threshold, UsageError
from harness.api import Model
from harness.plugin import in_process
from harness.plugin.faults import fault_of
from harness.plugin.in_process import broken
from harness.plugin.library_functions import named
from harness.plugin.registry import Registry

GOOD_PLUGIN = """
from harness import Threshold, hookimpl

class {cls}(Threshold):
    name = {name!r}
    def fit(self, normal):
        return float(normal.max())

@hookimpl
def harness_thresholds():
    return [{cls}]
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution of one module, as pip would leave it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    added: list[str] = []

    def write(distribution: str, source: str, entry: str | None = None) -> None:
        module = distribution.replace("-", "_")
        added.append(module)
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[anomaly_harness]\n{entry or module} = {module}\n")

    yield write
    for module in added:
        sys.modules.pop(module, None)


def discover(**environ: str) -> Registry:
    return Registry.discover(environ=environ)


def plugin_of(registry: Registry, distribution: str) -> object:
    return next(plugin for plugin in registry.plugins if plugin.distribution == distribution)


def test_an_installed_plugin_offers_its_parts_under_its_name_and_version(install: Install) -> None:
    install("acme-limits", GOOD_PLUGIN.format(cls="Highest", name="acme_highest"))
    offer = discover().offers(Threshold)["acme_highest"]
    assert str(offer.plugin) == "acme_limits (acme-limits 1.5)"
    assert not offer.plugin.builtin
    assert discover().make(Threshold, "acme_highest").name == "acme_highest"


def test_the_built_in_plugins_come_by_the_same_door_and_none_is_broken() -> None:
    registry = discover(HARNESS_PLUGINS="")
    assert registry.broken == []
    assert {plugin.name for plugin in registry.plugins} >= {"autoencoders", "datasets", "losses", "thresholds", "timm"}
    assert all(plugin.builtin for plugin in registry.plugins)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nonexistent_package", "cannot be imported: ModuleNotFoundError: No module named 'nonexistent_package'"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        (GOOD_PLUGIN.format(cls="A", name="a").replace("harness_thresholds", "harness_treshold"), "Did you mean 'harness_thresholds'?"),
        (GOOD_PLUGIN.format(cls="A", name="a").replace("@hookimpl", ""), "without @hookimpl"),
        (GOOD_PLUGIN.format(cls="A", name="a").replace("thresholds()", "thresholds(config)"), "has a hook that does not fit"),
        (GOOD_PLUGIN.format(cls="A", name="a").replace("return [A]", "return [3]"), "expected a subclass of harness.Threshold"),
        (GOOD_PLUGIN.format(cls="A", name="a").replace("return [A]", "return 7"), "'int' object is not iterable"),
        (GOOD_PLUGIN.format(cls="A", name="a").replace("return [A]", "return [1/0]"), "ZeroDivisionError: division by zero"),
        (GOOD_PLUGIN.format(cls="A", name="a").replace("def fit", "def fitt"), "which does not define fit"),
        (GOOD_PLUGIN.format(cls="A", name="Not A Name"), "whose name is 'Not A Name'"),
        (GOOD_PLUGIN.format(cls="A", name="all"), "whose name is 'all'"),
        (
            "from dataclasses import dataclass\n"
            + GOOD_PLUGIN.format(cls="A", name="a").replace("class A", "@dataclass\nclass A").replace("    name =", "    k: int\n    name ="),
            "whose option 'k' has no default",
        ),
        (
            "from dataclasses import dataclass\n"
            + GOOD_PLUGIN.format(cls="A", name="a").replace("class A", "@dataclass\nclass A").replace("    name =", "    k: int = 'text'\n    name ="),
            "whose option 'k' has the default 'text', expected a whole number",
        ),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_named_with_its_reason_and_the_others_go_on(
    install: Install, source: str, reason: str
) -> None:
    install("acme-broken", source)
    install("zeta-works", GOOD_PLUGIN.format(cls="Fine", name="fine"))
    registry = discover()
    assert "fine" in registry.offers(Threshold)
    (broken,) = registry.broken
    assert broken.distribution == "acme-broken"
    assert len(broken.problems) == 1
    assert reason in broken.problems[0]


def test_one_bad_part_does_not_take_the_good_ones_of_its_plugin_along(install: Install) -> None:
    install("acme-half", GOOD_PLUGIN.format(cls="A", name="half").replace("return [A]", "return [None, A]"))
    registry = discover()
    assert "half" in registry.offers(Threshold)
    assert "returned None" in registry.broken[0].problems[0]


def test_a_name_that_two_strangers_offer_is_refused_when_asked_for_and_names_both(install: Install) -> None:
    install("acme-one", GOOD_PLUGIN.format(cls="A", name="twice"))
    install("acme-two", GOOD_PLUGIN.format(cls="A", name="twice"))
    registry = discover()
    with pytest.raises(UsageError, match=r"acme_one \(acme-one 1.5\) and acme_two \(acme-two 1.5\)"):
        registry.make(Threshold, "twice")
    assert [plugin.distribution for plugin in registry.broken] == ["acme-two"]


def test_a_name_that_one_plugin_offers_twice_can_be_used_and_is_reported(install: Install) -> None:
    install("acme-one", GOOD_PLUGIN.format(cls="A", name="twice").replace("return [A]", "return [A, A]"))
    registry = discover()
    assert registry.make(Threshold, "twice").name == "twice"
    (plugin,) = registry.broken
    assert plugin.problems == ["offers threshold 'twice', which acme_one (acme-one 1.5) offers too"]


def test_a_stranger_cannot_take_the_name_of_a_built_in_part(install: Install) -> None:
    builtin = next(iter(discover().offers(Threshold)))
    install("aaa-greedy", GOOD_PLUGIN.format(cls="A", name=builtin))
    registry = discover()
    assert registry.offers(Threshold)[builtin].plugin.builtin
    assert registry.make(Threshold, builtin).name == builtin
    assert f"offers threshold {builtin!r}" in registry.broken[0].problems[0]


def test_harness_plugins_limits_strangers_by_plugin_or_distribution(install: Install) -> None:
    install("acme-one", GOOD_PLUGIN.format(cls="A", name="one"))
    install("acme-two", GOOD_PLUGIN.format(cls="A", name="two"), entry="second")
    assert {"one", "two"} <= discover().offers(Threshold).keys()
    for allowed, expected in [
        ("second", {"two"}),
        ("acme-one", {"one"}),
        ("acme-one, second", {"one", "two"}),
        ("", set()),
    ]:
        offered = discover(HARNESS_PLUGINS=allowed).offers(Threshold).keys()
        assert offered & {"one", "two"} == expected


def test_removing_a_plugin_removes_its_parts(install: Install, tmp_path: Path) -> None:
    install("acme-one", GOOD_PLUGIN.format(cls="A", name="one"))
    assert "one" in discover().offers(Threshold)
    for file in (tmp_path / "site" / "acme_one-1.5.dist-info").iterdir():
        file.unlink()
    assert "one" not in discover().offers(Threshold)


def test_a_single_file_is_a_plugin_whose_version_is_its_content(dots_plugin: Path) -> None:
    registry = Registry.discover([dots_plugin], environ={"HARNESS_PLUGINS": ""})
    offer = registry.offers(Model)["mean_image"]
    assert (offer.plugin.distribution, offer.plugin.path) == ("dots.py", str(dots_plugin))
    assert len(offer.plugin.version) == 8
    assert registry.broken == []


def test_a_plugin_file_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no plugin file 'nowhere.py'"):
        Registry.discover([Path("nowhere.py")])


def test_a_plugin_file_that_fails_is_broken_and_can_be_mended(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("1 / 0")
    assert "ZeroDivisionError" in Registry.discover([file]).broken[0].problems[0]
    file.write_text(GOOD_PLUGIN.format(cls="A", name="mended"))
    assert "mended" in Registry.discover([file]).offers(Threshold)


def test_a_plugin_file_that_was_read_elsewhere_loads_under_its_path_and_version_there(dots_plugin: Path) -> None:
    elsewhere = Path("/another/machine/dots.py")
    offer = Registry.discover({elsewhere: dots_plugin.read_bytes()}).offers(Model)["mean_image"]
    assert offer.plugin.path == str(elsewhere)
    assert offer.plugin.version == Registry.discover([dots_plugin]).offers(Model)["mean_image"].plugin.version
    assert "def fit" in inspect.getsource(offer.part.fit), "as a traceback shows it, and torch.compile reads it"


def test_what_a_plugin_replaces_in_a_library_when_it_is_imported_is_put_back_and_named(tmp_path: Path) -> None:
    file = tmp_path / "vandal.py"
    file.write_text("import numpy\nnumpy.mean = None\ndel numpy.std\n")
    mean, std = np.mean, np.std
    (plugin,) = (one for one in Registry.discover([file]).broken if one.name == "vandal")
    assert plugin.problems[0] == "replaced the functions numpy.mean, numpy.std when it was imported: put back"
    assert (np.mean, np.std) == (mean, std)


def test_a_plugin_file_of_another_suffix_is_broken_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(GOOD_PLUGIN.format(cls="A", name="here"))
    registry = Registry.discover([file])
    assert registry.broken[0].problems == [f"cannot be imported: ImportError: {file} is not a Python file"]
    assert "here" not in registry.offers(Threshold)


def test_an_unknown_part_is_refused_with_a_suggestion(dots_plugin: Path) -> None:
    registry = Registry.discover([dots_plugin])
    with pytest.raises(UsageError, match=r"no model 'mean_imag'. Did you mean 'mean_image'\? Available: "):
        registry.make(Model, "mean_imag")


@pytest.mark.parametrize("attribute", ["needs_options", "generic"], ids=["as it is called now", "as before 0.2"])
def test_all_chooses_every_part_but_those_that_need_options(dots_plugin: Path, attribute: str) -> None:
    registry = Registry.discover([dots_plugin])
    names = {part.name for part in registry.choose(Model, "all")}
    assert {"mean_image", "trained", "brightest"} <= names
    trained = registry.offers(Model)["trained"].part
    setattr(trained, attribute, True)
    try:
        assert "trained" not in {part.name for part in registry.choose(Model, "all")}
    finally:
        delattr(trained, attribute)


UNMADE = """
from dataclasses import dataclass
from harness import Threshold, hookimpl

@dataclass
class Sized(Threshold):
    name = "sized"
    size: int = 0
    def __post_init__(self):
        if not self.size:
            raise ValueError("size is 0: expected at least 1")
    def fit(self, normal):
        return 0.0

@hookimpl
def harness_thresholds():
    return [Sized]
"""


def test_all_leaves_out_a_part_that_cannot_be_made_without_options_and_says_so(install: Install) -> None:
    install("acme-sized", UNMADE)
    install("acme-twice", GOOD_PLUGIN.format(cls="One", name="mine"))
    install("acme-again", GOOD_PLUGIN.format(cls="Other", name="mine"))
    registry = discover()
    names = {part.name for part in registry.choose(Threshold, "all")}
    assert "mean" in names
    assert not names & {"sized", "mine"}
    assert registry.choose(Threshold, "sized[size=3]")
    (said,) = [line for line in broken(registry) if "sized" in line]
    assert (
        "`all` leaves threshold 'sized' out, which cannot be made without options (sized: size is 0: expected" in said
    )
    assert said.endswith("needs_options = True in Sized says that this is meant")


def test_a_part_may_be_asked_for_by_a_narrower_class_than_its_kind() -> None:
    registry = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    assert isinstance(registry.make(PixelMetric, "aupro"), PixelMetric)
    with pytest.raises(UsageError, match=r"^metric 'auroc' is no PixelMetric$"):
        registry.make(PixelMetric, "auroc")


def test_a_comma_list_keeps_its_order_and_options(dots_plugin: Path) -> None:
    registry = Registry.discover([dots_plugin])
    chosen = registry.choose(Model, "mean_image[gain=2],brightest")
    assert [part.name for part in chosen] == ["mean_image", "brightest"]
    assert chosen[0].gain == 2.0
    with pytest.raises(UsageError, match="no model in ' '"):
        registry.choose(Model, " ")


def test_a_module_in_this_process_can_be_registered(dots_plugin: Path) -> None:
    import types

    module = types.ModuleType("notebook")
    exec(GOOD_PLUGIN.format(cls="A", name="here"), module.__dict__)
    registry = discover(HARNESS_PLUGINS="")
    plugin = registry.register(module, "notebook")
    assert registry.make(Threshold, "here").name == "here"
    assert plugin.problems == []


def test_a_module_whose_hook_did_not_fit_can_be_registered_again_once_it_does() -> None:
    import types

    registry, module = discover(HARNESS_PLUGINS=""), types.ModuleType("notebook")
    exec(GOOD_PLUGIN.format(cls="A", name="here").replace("thresholds()", "thresholds(config)"), module.__dict__)
    assert "config" in registry.register(module, "notebook").problems[0]
    exec(GOOD_PLUGIN.format(cls="A", name="here"), module.__dict__)
    assert registry.register(module, "notebook").problems == []
    assert registry.make(Threshold, "here").name == "here"


@pytest.mark.parametrize("name", [None, 3, b"bytes"])
def test_a_name_that_is_no_text_is_quoted(name: object) -> None:
    part = type("Odd", (Threshold,), {"name": name, "fit": lambda self, normal: 0.0})
    assert fault_of(part, Threshold).startswith(f"whose name is {name!r}, expected lower case letters")


def test_all_stands_for_every_part_only_where_it_is_asked_for_alone(dots_plugin: Path) -> None:
    registry = Registry.discover([dots_plugin], environ={"HARNESS_PLUGINS": ""})
    assert len(in_process.choose(registry, Model, ["all"])) > 1
    with pytest.raises(UsageError, match="no model 'all'"):
        in_process.choose(registry, Model, ["all", "trained"])


def test_a_class_of_this_process_may_come_again_unless_its_code_is_another() -> None:
    import types

    def part(code: str) -> type[Threshold]:
        module = types.ModuleType("notebook")
        exec(code, module.__dict__)
        return module.A

    code = GOOD_PLUGIN.format(cls="A", name="here")
    registry, first = discover(HARNESS_PLUGINS=""), part(code)
    in_process.register(registry, [first, part(code)])
    assert registry.offers(Threshold)["here"].part is first
    with pytest.raises(UsageError, match="threshold 'here' of this process has the name of one that here .* offers"):
        in_process.register(registry, [part(code.replace("max", "min"))])


def test_a_plugin_may_offer_as_many_parts_as_are_allowed_and_not_one_more(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = GOOD_PLUGIN.format(cls="One", name="one").replace("[One]", "[One, Two]") + (
        "\nclass Two(One):\n    name = 'two'\n"
    )
    install("some-parts", two)
    monkeypatch.setattr("harness.plugin.registry.MOST_PARTS", 2)
    assert {"one", "two"} <= discover().offers(Threshold).keys()
    monkeypatch.setattr("harness.plugin.registry.MOST_PARTS", 1)
    registry = discover()
    assert not {"one", "two"} & registry.offers(Threshold).keys()
    assert any("returned more than 1 parts, which were left out" in line for line in broken(registry))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "the function numpy.f0"),
        (3, "the functions numpy.f0, numpy.f1, numpy.f2"),
        (4, "the functions numpy.f0, numpy.f1, numpy.f2 and 1 other"),
        (5, "the functions numpy.f0, numpy.f1, numpy.f2 and 2 others"),
    ],
)
def test_functions_that_were_replaced_are_named_three_at_most(count: int, said: str) -> None:
    assert named([f"numpy.f{at}" for at in range(count)]) == said


@dataclass
class Between(Threshold):
    """A part of this process with options of several types."""

    name = "between_these"
    share: float = 0.5
    word: str | None = None

    def fit(self, normal: np.ndarray) -> float:
        return float(np.quantile(normal, self.share))


def test_an_instance_is_made_again_from_its_spelling_unless_that_makes_another_of_it() -> None:
    registry = in_process.registry_with([Between])
    (found,) = in_process.choose(registry, Threshold, [Between(0.25, "low")])
    assert found == Between(0.25, "low")
    with pytest.raises(UsageError, match=r"has the option word = 'none', and its spelling .* makes None of it"):
        in_process.choose(registry, Threshold, [Between(word="none")])
    with pytest.raises(UsageError, match=r"has the option share = 'half': expected a finite number"):
        in_process.choose(registry, Threshold, [Between(share="half")])  # type: ignore[arg-type]


def test_a_plugin_file_that_is_read_again_replaces_nothing_and_its_newer_content_counts(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(GOOD_PLUGIN.format(cls="One", name="one"))
    before = Registry.discover([file])
    file.write_text(GOOD_PLUGIN.format(cls="Two", name="two"))
    after = Registry.discover([file])
    assert (before.broken, after.broken) == ([], [])
    assert "two" in after.offers(Threshold)
    assert sys.modules["harness_plugin_file_mine"].__dict__["Two"] is after.offers(Threshold)["two"].part
