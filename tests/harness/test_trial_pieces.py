"""Small pieces behind a trial, each asked by itself: corruptions, provenance, sizes, settings as shown, memory, scores."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.api import Corruption, Encoder, Images, Loss, Model, Part, Run, Scores
from harness.api.corruptions import SEVERITIES
from harness.errors import DataError, TooFewError, TrainingError, UsageError
from harness.plugin.registry import DISTRIBUTION, KINDS, Offer, Plugin
from harness.trials import corrupting, crossfitting, device_memory, provenance, scoring, settings_shown
from harness.trials.folders_left_out import record_without_folders, short, without_folders
from harness.trials.framed import alike
from harness.trials.grid import Axes, _Method, _mixed, _sizes, plan
from harness.trials.handed import handed
from harness.trials.holdout import hold_out, normal_images
from harness.trials.observers import Observer, Observers
from harness.trials.pictures import Shrinker, shrink, thumbnails
from harness.trials.record import Record
from harness.trials.settings import SETTINGS, Settings, find
from harness.trials.subsets import stacked, subset, taken_for_normal
from harness.trials.trial import PROTOCOL, Evidence, Outcome, Trial, images_of_kinds, labels_of

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 2, 16, 3, 4, 1e-4, 0.0, "fp32", "-")


def refused(ask: Any) -> str:
    with pytest.raises((UsageError, TrainingError, DataError, ValueError)) as error:
        ask()
    return str(error.value)


# Corruptions.


@dataclass(frozen=True)
class Lighter(Corruption):
    name = "lighter"
    severity: int = 3
    by: int = 1

    def apply(self, pixels: Any, random: Any) -> Any:
        if self.by == 0:
            raise KeyError("light")
        if self.by == -1:
            raise KeyboardInterrupt
        if self.by == -2:
            return pixels.astype(float)
        if self.by == -3:
            return pixels[:1]
        if self.by == -4:
            return pixels.tolist()
        return pixels + np.uint8(self.severity * self.by) + random.integers(0, 2, dtype=np.uint8)

    @property
    def amount(self) -> str:
        if self.by == 0:
            raise KeyError("light")
        return f"{self.by} lighter"


class Fixed(Corruption):
    name = "fixed"
    version = 2

    def apply(self, pixels: Any, random: Any) -> Any:
        return pixels


PHOTOS = Images(np.full((3, 2, 2, 3), 10, np.uint8), ("a", "b", "c"), masks=np.ones((3, 2, 2), np.uint8))


def test_a_corruption_is_tried_at_each_severity_on_photos_without_masks() -> None:
    seen: list[Images] = []

    def scorer(images: Images) -> dict[str, Any]:
        seen.append(images)
        return {
            "mean": np.asarray(images.pixels).mean(axis=(1, 2, 3)),
            "max": np.asarray(images.pixels).max(axis=(1, 2, 3)),
        }

    registry: Any = SimpleNamespace(make=lambda kind, text: {"lighter": Lighter(), "dark": Lighter(by=0)}[text])
    found, faults = corrupting.corrupted_scores(registry, ["lighter", "dark"], PHOTOS, scorer)
    assert {name: list(by_pool) for name, by_pool in found.items()} == {"lighter": ["mean", "max"]}
    means = found["lighter"]["mean"]
    assert means.shape == (len(SEVERITIES), 3)
    for severity, row in zip(SEVERITIES, means.tolist(), strict=True):
        assert {round(value - 10 - severity) for value in row} <= {0, 1}
    assert faults.keys() == {"lighter[by=0]"}
    assert faults["lighter[by=0]"].startswith(
        "corruption 'lighter' cannot be applied: KeyError: 'light' (test_trial_pieces"
    )
    assert all(images.masks is None for images in seen)
    assert np.asarray(PHOTOS.pixels).max() == 10, "the photos stay as they are"


def test_every_trial_is_shown_the_same_changes_and_each_photo_its_own() -> None:
    first, again = (list(corrupting.applied(Lighter(), np.asarray(PHOTOS.pixels), 0)) for _ in range(2))
    assert np.array_equal(first, again)
    draws = {
        corrupting.chance(*given).integers(1 << 60) for given in ((0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0))
    }
    assert len(draws) == 4


@pytest.mark.parametrize("by", [-2, -3, -4])
def test_what_a_corruption_gives_has_to_be_a_photo_of_the_same_shape_and_kind(by: int) -> None:
    said = refused(lambda: list(corrupting.applied(Lighter(by=by), np.asarray(PHOTOS.pixels), 0)))
    assert said.startswith("corruption 'lighter' gave ")
    assert said.endswith(": expected a photo of (2, 2, 3), uint8")


def test_an_interrupt_within_a_corruption_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(corrupting.applied(Lighter(by=-1), np.asarray(PHOTOS.pixels), 0))


def test_a_corruption_is_kept_under_its_spelling_and_version_and_takes_no_severity_of_its_own() -> None:
    assert corrupting.kept_as(Lighter(by=2)) == "lighter[by=2]"
    assert corrupting.kept_as(Fixed()) == "fixed 2"
    corrupting.refuse_severity([Lighter(by=2)])
    assert refused(lambda: corrupting.refuse_severity([Lighter(severity=2)])) == (
        "corruption 'lighter[severity=2]' has a severity, and all of 1 to 5 are tried: leave it out, as in 'lighter'"
    )
    said = refused(lambda: corrupting.refuse_severity([Fixed()]))
    assert said.startswith("corruption 'fixed' takes no severity 1: ")
    assert [one.severity for one in corrupting.steps_of(Lighter())] == [1, 2, 3, 4, 5]
    assert corrupting.amount_of(Lighter()) == "1 lighter"
    assert refused(lambda: corrupting.amount_of(Lighter(by=0))).startswith(
        "corruption 'lighter' cannot say its amount: KeyError: 'light' (test_trial_pieces.py:"
    )


# Provenance.


def module(name: str, **more: Any) -> ModuleType:
    found = ModuleType(name)
    vars(found).update(more)
    return found


def test_the_digest_of_code_depends_on_each_file_its_name_and_content(tmp_path: Path) -> None:
    def digest(**files: str) -> str:
        folder = tmp_path / "package"
        for old in folder.rglob("*.py"):
            old.unlink()
        for name, text in files.items():
            (folder / f"{name.replace('__', '/')}.py").parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{name.replace('__', '/')}.py").write_text(text)
        (folder / "data.txt").write_text("no code")
        return provenance.code_in(module("package", __path__=[str(folder)]))

    told = [digest(a="x"), digest(a="y"), digest(b="x"), digest(a="x", b=""), digest(a="", b="x"), digest(c__a="x")]
    assert len(set(told)) == len(told)
    assert {len(one) for one in told} == {8}
    assert digest(a="x") == told[0]
    assert digest() == ""


def test_a_module_of_a_file_is_read_by_its_loader_and_one_that_is_gone_has_no_digest(tmp_path: Path) -> None:
    loader = SimpleNamespace(get_data=lambda file: b"there" if file == "/elsewhere/x.py" else b"")
    found = provenance.code_in(module("x", __file__="/elsewhere/x.py", __loader__=loader))
    assert len(found) == 8
    assert found != provenance.code_in(module("x", __file__="/other.py", __loader__=loader))
    assert provenance.code_in(module("x")) == ""

    def gone(file: str) -> bytes:
        raise OSError

    assert provenance.code_in(module("x", __file__="/x.py", __loader__=SimpleNamespace(get_data=gone))) == ""
    assert provenance.code_of("x", {"x": module("x", __file__="/elsewhere/x.py", __loader__=loader)}) == found


class _Registry:
    """Offers parts by kind and name."""

    def __init__(self, *offers: Offer) -> None:
        self.every = offers
        self.file_modules = {
            "of_a_test": module("of_a_test", __file__="f", __loader__=SimpleNamespace(get_data=str.encode))
        }

    def offers(self, kind: type[Part]) -> dict[str, Offer]:
        return {one.part.name: one for one in self.every if one.part.kind == KINDS[kind.kind].kind}

    def make(self, kind: type[Part], text: str) -> Any:
        found = self.offers(kind).get(text.partition("[")[0])
        if found is None:
            raise UsageError(f"no {kind.kind} {text!r}")
        return found.part()


def part(kind: type[Part], name: str, **more: Any) -> Any:
    methods = dict.fromkeys(getattr(kind, "__abstractmethods__", ()), lambda self, *_, **__: None)
    return type(name, (kind,), {"name": name, "__module__": "of_a_test.x", **methods, **more})


def offer(kind: type[Part], name: str, distribution: str = "acme", version: str = "1.2", **more: Any) -> Offer:
    return Offer(part(kind, name, **more), Plugin(name, distribution, version))


def test_each_part_of_a_trial_is_remembered_with_who_offers_it_here() -> None:
    registry: Any = _Registry(offer(Model, "dae"), offer(Encoder, "conv", "own.py", "1a2b3c4d"), offer(Loss, "ssim"))
    found = provenance.makers(TRIAL._replace(loss="-"), registry)
    assert found.plugins == {"model": "acme 1.2", "encoder": "own.py 1a2b3c4d"}
    assert found.code.keys() == {"harness", "of_a_test"}
    assert list(found.code) == sorted(found.code)
    assert provenance.makers(TRIAL._replace(model="gone", encoder="-", loss="-"), registry).plugins == {}
    inner = part(Loss, "ssim")

    @dataclass
    class Takes(part(Model, "takes")):  # type: ignore[misc]
        name = "takes"
        loss: Loss = field(default_factory=inner)
        other: int = 3

    nested: Any = _Registry(Offer(Takes, Plugin("takes", "mine", "2")), offer(Loss, "ssim"))
    plugins = provenance.makers(TRIAL._replace(model="takes", encoder="-", loss="-"), nested).plugins
    assert plugins == {"model": "mine 2", "model's loss": "acme 1.2"}


def test_a_pool_is_remembered_with_who_offers_it_and_strange_ones_are_told_apart() -> None:
    from harness.api import Pool

    registry: Any = _Registry(offer(Pool, "low", "acme", "3"), offer(Pool, "mean", DISTRIBUTION, "1"))
    assert provenance.pool_maker("low[x=1]", registry) == {"pool": "acme 3"}
    assert provenance.pool_maker("-", registry) == {}
    assert provenance.pool_maker("gone", registry) == {}
    assert provenance.strange_pools(["-", "mean", "low[x=1]"], registry) == {"low[x=1]": "low (acme 3)"}


# Sizes that a method can take.


def method(**more: Any) -> _Method:
    told = {
        "model": "dae",
        "encoder": "conv",
        "loss": "mse",
        "trains": True,
        "weights": "-",
        "versions": "",
        "precision": "fp32",
    }
    return _Method(**{**told, "step": 8, "whole": False, **more})


def protocol(**values: Any) -> tuple[Any, ...]:
    return tuple({**PROTOCOL, **values}.values()) if values else ()


WHOLE = "dae scores images as a whole, with what pads them: take another resize"


@pytest.mark.parametrize(
    ("of", "how", "asked", "found"),
    [
        ({}, {}, 16, (16, "")),
        ({}, {}, 17, (17, "image size 17 is not a multiple of 8, which conv needs: try 16")),
        ({}, {}, 20, (20, "image size 20 is not a multiple of 8, which conv needs: try 16")),
        ({}, {}, 21, (21, "image size 21 is not a multiple of 8, which conv needs: try 24")),
        ({}, {}, 1, (1, "image size 1 is not a multiple of 8, which conv needs: try 8")),
        ({"step": 0}, {}, 17, (17, "")),
        ({"step": 1}, {}, 17, (17, "")),
        ({"whole": True}, {}, 16, (16, "")),
        ({"whole": True}, {"resize": "pad"}, 16, (16, WHOLE)),
        ({}, {"resize": "pad"}, 16, (16, "")),
        ({}, {"resize": "tiles", "tiles": 64}, 256, (64, "")),
        ({}, {"tiles": 64}, 256, (256, "")),
        ({}, {"tiles": 20}, 256, (256, "tiles of 20 pixels are not multiples of 8, which conv needs: try 16")),
        ({}, {"resize": "tiles", "tiles": 4}, 256, (4, "tiles of 4 pixels are smaller than conv takes: try 8")),
        (
            {"step": 0},
            {"resize": "tiles", "tiles": 31},
            256,
            (31, "tiles of 31 pixels are smaller than conv takes: try 32"),
        ),
        ({"step": 0}, {"resize": "tiles", "tiles": 32}, 256, (32, "")),
        ({}, {"resize": "tiles", "tiles": 8}, 256, (8, "")),
    ],
)
def test_a_size_that_a_method_cannot_take_is_told_with_one_that_it_can(
    of: dict[str, Any], how: dict[str, Any], asked: int, found: tuple[int, str]
) -> None:
    assert _sizes(method(**of), protocol(**how), asked) == found


def test_methods_are_mixed_so_that_each_part_comes_early_and_none_is_lost() -> None:
    every = [method(model=m, encoder=e, loss=one) for m in "ab" for e in "cd" for one in "ef"]
    mixed = list(_mixed(every))
    assert [one[:3] for one in mixed[:2]] == [("a", "c", "e"), ("b", "d", "f")]
    assert sorted(mixed) == sorted(every)
    many = [method(model=str(number)) for number in range(150)]
    assert list(_mixed(many))[100:] == many[100:]


def axes(**more: Any) -> Axes:
    told: dict[str, Any] = {
        "dataset": SimpleNamespace(), "categories": ["b", "a"], "models": [], "encoders": [], "losses": [], "seeds": [0, 1],
        "image_size": 16, "epochs": 3, "batch_size": 4, "learning_rate": 0.1, "holdout": 0.2, "precision": "bf16",
        "weights": "random", "calibrate": "crossfit",
    }  # fmt: skip
    return Axes(**{**told, **more})


def test_settings_of_training_and_parts_that_are_not_used_are_left_out_of_a_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from harness.trials import grid

    monkeypatch.setattr(grid, "spell", lambda one: getattr(one, "name", "data"))
    trains = part(Model, "trains", uses=frozenset({"training", "loss", "encoder", "pool"}), version=2)()
    floor = part(Model, "flat", floor=True)()
    whole = part(Model, "whole", uses=frozenset({"encoder"}))()
    deep = part(Encoder, "deep", pretrained=True, reduction=8, imports=("torch", "timm"))()
    mse = part(Loss, "mse", imports=("torch", "scipy"))()
    asked = axes(models=[trains, floor, whole], encoders=[deep], losses=[mse], categories=["b"], seeds=[5])
    found = {cell.trial.model: cell.trial for cell in plan(asked)}
    assert found == {
        "trains": Trial(
            "data", "b", "trains", "deep", "mse", 5, 16, 3, 4, 0.1, 0.2, "bf16", "random", "trains 2", "crossfit"
        ),
        "flat": Trial("data", "b", "flat", "-", "-", 5, 16, 0, 0, 0.0, 0.2, "fp32", "-", "", "crossfit"),
        "whole": Trial("data", "b", "whole", "deep", "-", 5, 16, 0, 0, 0.0, 0.2, "bf16", "random", "", "crossfit"),
    }
    assert asked.imports == ("torch", "timm", "scipy")
    assert axes(models=[floor], encoders=[deep], losses=[mse]).imports == ()
    both = [
        (cell.trial.category, cell.trial.seed) for cell in plan(axes(models=[floor], encoders=[deep], losses=[mse]))
    ]
    assert both == [("b", 0), ("b", 1), ("a", 0), ("a", 1)]
    one = [protocol(shots=1), protocol(shots=2)]
    few = list(plan(axes(models=[floor], encoders=[deep], losses=[mse], categories=["b"], seeds=[0], protocols=one)))
    assert [(cell.trial.shots, cell.trial.calibrate) for cell in few] == [(1, ""), (2, "crossfit")]


# Trials, evidence and outcomes.


def test_a_trial_is_named_for_people_and_runs_with_its_own_settings() -> None:
    assert TRIAL.title == "large · dae + conv + mse · seed 2"
    assert TRIAL._replace(encoder="-", loss="-", shots=4).title == "large · dae · shots 4 · seed 2"
    assert TRIAL._replace(category="a\nb").title.startswith(r"a\nb · ")
    run = TRIAL._replace(weights="random", precision="bf16").run("cuda:1", Path("w"))
    assert run == Run(2, 16, 3, 4, 1e-4, "bf16", "cuda:1", "random", Path("w")) or (
        run.seed, run.image_size, run.epochs, run.batch_size, run.learning_rate, run.precision, run.device, run.weights,
        run.weights_dir,
    ) == (2, 16, 3, 4, 1e-4, "bf16", "cuda:1", "random", Path("w"))  # fmt: skip
    assert TRIAL.run().weights == "pretrained", "where no part starts from weights it does not matter"
    assert TRIAL._replace(tiles=8).run().image_size == 8


@pytest.mark.parametrize(
    ("changes", "random"),
    [
        ({"loss": "-"}, True),
        ({}, False),
        ({"loss": "-", "encoder": "-"}, False),
        ({"loss": "-", "weights": "pretrained"}, False),
        ({"loss": "-", "weights": "random"}, True),
    ],
)
def test_features_are_random_where_neither_a_loss_nor_anybody_else_trained_the_encoder(
    changes: dict[str, str], random: bool
) -> None:
    assert TRIAL._replace(**changes).random_features is random


def evidence(**more: Any) -> Evidence:
    told: dict[str, Any] = {
        "normal": {"mean": np.array([1.0])}, "test": {"mean": np.array([1.0, 2.0])}, "defects": ("good", "hole"),
        "paths": ("a", "b"),
    }  # fmt: skip
    return Evidence(**{**told, **more})


def test_scores_have_a_hash_that_every_one_of_them_moves() -> None:
    told = [
        evidence(),
        evidence(normal={"mean": np.array([1.5])}),
        evidence(test={"mean": np.array([1.0, 2.5])}),
        evidence(test={"mean": np.array([2.0, 1.0])}),
    ]
    assert len({one.hash_of("mean") for one in told}) == 4
    assert {len(one.hash_of("mean")) for one in told} == {16}
    assert evidence(defects=("good", "x")).hash_of("mean") == told[0].hash_of("mean")
    both = {"a": {"mean": np.zeros((5, 2))}, "b": {"mean": np.ones((5, 2)), "max": np.ones((5, 2))}}
    turned = evidence(corrupted=dict(reversed(both.items())))
    assert evidence(corrupted=both).hash_of_corrupted("mean") == turned.hash_of_corrupted("mean") != ""
    only_b = evidence(corrupted={"b": both["b"]})
    assert evidence(corrupted=both).hash_of_corrupted("max") == only_b.hash_of_corrupted("max")
    assert only_b.hash_of_corrupted("max") != evidence(corrupted={"c": both["b"]}).hash_of_corrupted("max")
    assert len(only_b.hash_of_corrupted("max")) == 16
    assert evidence().hash_of_corrupted("mean") == only_b.hash_of_corrupted("p") == ""


def test_labels_and_kinds_are_told_by_the_names_of_defects() -> None:
    kinds = ("good", "hole", "crack", "hole")
    assert labels_of(kinds).tolist() == [False, True, True, True]
    assert evidence().labels.tolist() == [False, True]
    with pytest.raises(ValueError, match="read-only"):
        labels_of(kinds)[0] = True
    assert {kind: at.tolist() for kind, at in images_of_kinds(kinds).items()} == {"crack": [2], "hole": [1, 3]}
    assert list(images_of_kinds(kinds)) == ["crack", "hole"]


def test_no_folder_is_left_in_what_is_remembered_of_a_trial() -> None:
    record = Record(
        incomplete="no masks in '/home/jo/parts/x'", plugins={"model": "/home/jo/own.py 1a2b3c4d"}, grave={"d": "/a/b/c.png"},
        pool_faults={"p": "odd file '/home/jo/p.npy'"}, resolved={"w": "/home/jo/w"}, pools={"p": "/home/jo/own.py 1a2b3c4d"},
    )  # fmt: skip
    found = record_without_folders(record)
    assert found.incomplete == "no masks in '.../x'"
    assert (found.plugins, found.pools) == ({"model": "own.py 1a2b3c4d"}, {"p": "own.py 1a2b3c4d"})
    assert (found.grave, found.resolved) == ({"d": ".../c.png"}, {"w": ".../w"})
    assert found.pool_faults == {"p": "odd file '.../p.npy'"}
    plain = Record(incomplete="no masks")
    assert record_without_folders(plain) is plain
    one = Outcome(TRIAL, "error", "no file '/data/parts/a/b.png'", record=plain)
    assert without_folders(one, [Path("/data/parts"), None]).reason == "no file 'a/b.png'"
    clean = Outcome(TRIAL, "error", "odd")
    assert without_folders(clean) is clean


def test_what_lies_in_the_home_of_a_person_is_told_without_the_name_of_that_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/jo"))
    assert short("no file /home/jo/own.py") == "no file ~/own.py"
    assert short("no file /home/jo/a/own.py") == "no file .../own.py"
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert short("no file /x.py, no and/or") == "no file /x.py, no and/or", "the root is nobody's home"


# Settings as they are shown.


def test_each_setting_shows_the_kind_of_its_value_and_its_default() -> None:
    kinds = {name: setting.kind.metavar for name, setting in SETTINGS.items()}
    assert {name: kind for name, kind in kinds.items() if kind not in ("", "LIST", "INTEGER", "NUMBER", "SHARE")} == {
        "preset": "[kumar_2025|own_images]", "dataset": "NAME", "data_root": "FOLDER", "calibrate": "[train|holdout|crossfit|rest]",
        "batch_size": "INTEGER|auto", "weights": "[pretrained|random]", "weights_dir": "FOLDER", "device": "TEXT",
        "precision": "[auto|fp32|bf16]", "executor": "NAME", "ray_address": "ADDRESS", "log_json": "[FILE|-]", "mlflow": "URI",
        "store": "FOLDER", "plugins": "FILE.py",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == ""} == {
        "skip_unreadable", "isolate", "keep_models", "refit_edited", "floors", "quiet",
    }  # fmt: skip
    shown = {name: setting.default_in_words for name, setting in SETTINGS.items()}
    assert shown["weights_dir"] == "timm's hub"
    assert shown["ray_address"] == "$RAY_ADDRESS, else a cluster on this machine, for this run"
    assert shown["epochs"] == f"{Run.epochs}, or what suits the data set"
    assert (shown["models"], shown["jobs"], shown["floors"]) == (
        "dae,cae",
        "up to 4, which a GPU must have memory for",
        "on",
    )
    assert {name for name, setting in SETTINGS.items() if setting.option} == {
        "learning_rate",
        "trackers",
        "plugins",
    } - (set() if SETTINGS["learning_rate"].option else {"learning_rate"})
    assert SETTINGS["log_json"].bare == "-"
    assert {name for name, setting in SETTINGS.items() if setting.several_options} >= {"trackers", "plugins"}


def test_the_table_of_settings_has_a_row_each_with_its_other_names() -> None:
    lines = settings_shown.table().splitlines()
    assert lines[:2] == ["| setting | default | what it is |", "|---|---|---|"]
    assert len(lines) == len(SETTINGS) + 2
    assert settings_shown.table().endswith("|\n")
    rows = {line.split("`")[1]: line for line in lines[2:]}
    assert rows["quiet"] == "| `quiet` |  | Show no progress. |"
    assert rows["plugins"].startswith("| `plugins` (on the command line `--plugin`) | none | Python files")
    assert rows["learning_rate"].startswith(
        "| `learning_rate` (`--lr` for short) | 0.0001, or what suits the data set | Of Adam."
    )
    assert "&lt;timm name>" in rows["weights_dir"]
    assert "| `seeds` | 0 | " in rows["seeds"]


def test_a_function_shows_all_settings_in_its_signature_and_help() -> None:
    @settings_shown.with_settings
    def run(**settings: Any) -> int:
        """Run."""
        return 3

    signature = inspect.signature(run)
    assert list(signature.parameters) == list(SETTINGS)
    assert {one.kind for one in signature.parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert signature.parameters["models"].default == "dae,cae"
    assert signature.return_annotation == "int"
    assert run.__doc__ is not None
    assert run.__doc__.startswith("Run.\n\nSettings, with their defaults:\n    preset: Models, encoders")
    assert "\n    quiet: Show no progress.\n" in run.__doc__
    assert "\n    models: Models to cross, or all. [dae,cae]\n" in run.__doc__
    assert run() == 3


def test_settings_agree_on_how_limits_are_set() -> None:
    assert Settings.of({"calibrate": "holdout"}).holdout == 0.2
    assert Settings.of({"calibrate": "holdout", "holdout": 0.3}).holdout == 0.3
    assert refused(lambda: Settings.of({"calibrate": "crossfit", "holdout": 0.3})) == (
        "calibrate crossfit holds nothing out, and holdout is 0.3: give one of them"
    )
    assert Settings.of({"max_false_alarms": "1%"}).thresholds == ("tolerance[alpha=0.01]",)
    both = Settings.of({"max_false_alarms": "1%", "thresholds": "mad,mean"}).thresholds
    assert both == ("tolerance[alpha=0.01]", "mad", "mean")
    assert Settings.of({"defect_rate": 0.01, "metrics": "pixel_f1"}).shown_metrics == (
        "pixel_f1", "precision[defect_rate=0.01]",
    )  # fmt: skip
    assert Settings().shown_metrics == ()
    assert Settings.of({"epochs": 3, "seeds": None}).asked == {"epochs"}
    assert refused(lambda: Settings.of({"lr": 1, "learning-rate": 2})) == (
        "learning_rate and lr are the same setting: give one of them"
    )
    assert find("plugin") is SETTINGS["plugins"]
    assert find("none") is None
    assert Settings.of({"plugins": ["a.py", sys]}).plugin_files == (Path("a.py"),)


# Memory of a device.


def test_what_a_trial_took_of_a_gpu_is_measured_and_a_failing_one_measures_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    did: list[Any] = []
    fails = [False]

    def call(name: str, gives: Any = None) -> Any:
        def called(*on: Any) -> Any:
            if fails[0]:
                raise RuntimeError("CUDA error")
            did.append((name, *on))
            return gives

        return called

    for name, gives in (
        ("empty_cache", None), ("reset_peak_memory_stats", None), ("mem_get_info", (700, 9999)), ("memory_reserved", 50),
        ("max_memory_reserved", 300),
    ):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, call(name, gives))
    with device_memory.measured_memory("cuda:1") as found:
        assert found == {}
        assert did == [
            ("empty_cache",), ("reset_peak_memory_stats", "cuda:1"), ("mem_get_info", "cuda:1"), ("memory_reserved", "cuda:1"),
        ]  # fmt: skip
    assert found == {"peak": 300, "free": 750}
    assert did[-1] == ("max_memory_reserved", "cuda:1")
    with device_memory.measured_memory("cuda") as found:
        fails[0] = True
    assert found == {}
    with device_memory.measured_memory("cuda") as found:
        fails[0] = False
    assert found == {}, "what was free before is not known"
    did.clear()
    with device_memory.measured_memory("cpu") as found:
        pass
    assert (found, did) == ({}, [])


# Images, some at a time.


def grey(count: int, side: int = 2) -> Images:
    pixels = np.zeros((count, side, side, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    return Images(pixels, tuple(f"{at:03}" for at in range(count)))


@pytest.mark.parametrize(
    ("side", "count", "sizes"),
    [
        (256, 130, [64, 64, 2]),
        (512, 20, [16, 4]),
        (1024, 17, [16, 1]),
        (2048, 5, [4, 1]),
        (8000, 2, [1, 1]),
        (0, 65, [64, 1]),
        (2, 0, []),
    ],
)
def test_so_many_images_are_scored_at_a_time(side: int, count: int, sizes: list[int]) -> None:
    pixels: Any = SimpleNamespace(shape=(count, side, side, 3), __len__=lambda: count)
    wide = type("Pixels", (), {"shape": (count, side, side, 3), "__len__": lambda self: count})()
    assert pixels.shape == wide.shape
    assert [len(range(*at.indices(count))) for at in scoring.chunks(wide)] == sizes


class Greys(Model):
    name = "greys"
    uses = frozenset({"pool"})

    def fit(self, normal: Any, **how: Any) -> None: ...

    def score(self, images: Images) -> Scores:
        return Scores(maps=np.asarray(images.pixels)[..., 0].astype(float))


def test_scores_that_are_none_are_told_by_model_and_image() -> None:
    model, images = Greys(), grey(2)
    pools: Any = {"mean": SimpleNamespace(score=lambda maps: maps.mean(axis=(1, 2)))}
    odd = [
        ("no scores", "greys gave 'no scores' as scores: expected harness.Scores"),
        (Scores(maps=np.zeros((3, 2, 2))), "greys gave 3 maps for 2 images"),
        (Scores(), "greys gave no scores: expected maps with 'pool' in its uses, or images"),
        (Scores(images=np.zeros(3)), "greys gave scores of shape (3,) for 2 images"),
        (Scores(images=np.array([1.0, np.nan])), "greys gave 001 the score nan, which is not finite"),
        (Scores(images=np.array([1j, 2])), "greys gave complex numbers as scores, expected real ones"),
        (
            Scores(images=np.ma.masked_array([1.0, 2.0], [True, False])),
            "greys gave 1 masked scores, expected all of them",
        ),
    ]
    for scores, said in odd:
        assert refused(lambda scores=scores: scoring.in_pools(model, scores, images, pools)) == said
    bad: Any = {"p": SimpleNamespace(score=lambda maps: maps[0, 0, 0, 0])}
    assert refused(lambda: scoring.pool_scores(model, images, bad)).startswith("pool p: IndexError: too many indices")
    by_pool, maps = scoring.pool_scores(model, images, pools)
    assert by_pool["mean"].tolist() == [0, 1]
    assert maps is not None
    assert not maps.flags.writeable
    interrupts: Any = {"p": SimpleNamespace(score=lambda maps: (_ for _ in ()).throw(KeyboardInterrupt()))}
    with pytest.raises(KeyboardInterrupt):
        scoring.pool_scores(model, images, interrupts)


def test_of_several_scores_that_are_not_finite_the_first_by_name_is_told() -> None:
    scores = np.array([np.inf, 1.0, -np.inf])
    assert scoring._fault(scores, ("c", "b", "a")) == "a the score -inf, which is not finite"
    assert scoring._fault(np.ones(3), ("c", "b", "a")) == ""


def test_folds_are_even_keep_groups_whole_and_need_two_of_them() -> None:
    fold = crossfitting.folds_of(np.array([0, 0, 0, 1, 2, 3, 4, 5]), seed=0, count=2)
    assert sorted(np.bincount(fold).tolist()) == [4, 4]
    assert len(set(fold[:3].tolist())) == 1
    assert crossfitting.folds_of(np.arange(3), 0).max() == 2, "no more folds than groups"
    assert set(np.bincount(crossfitting.folds_of(np.arange(10), 0)).tolist()) == {2}
    assert crossfitting.folds_of(np.arange(10), 0).tolist() != crossfitting.folds_of(np.arange(10), 1).tolist()
    needs = "cross-fitting needs 2 normal images that are not the same: there {}; fit without --calibrate crossfit"
    for group, are in (([0, 0, 0], "are 3, all alike"), ([0], "is 1"), ([], "are 0")):
        with pytest.raises(TooFewError) as error:
            crossfitting.folds_of(np.array(group, dtype=np.intp), 0)
        assert str(error.value) == needs.format(are)


@pytest.mark.parametrize(
    ("count", "share", "kept"), [(10, 0.2, 2), (10, 0.01, 1), (10, 0.99, 9), (2, 0.5, 1), (9, 0.5, 4)]
)
def test_a_share_is_held_out_at_least_one_and_never_all(count: int, share: float, kept: int) -> None:
    fitted, apart = hold_out(grey(count), share, 0)
    assert (len(fitted), len(apart)) == (count - kept, kept)
    assert sorted((*fitted.paths, *apart.paths)) == list(grey(count).paths)
    assert list(fitted.paths) == sorted(fitted.paths)
    assert list(apart.paths) == sorted(apart.paths)
    images = grey(3)
    assert hold_out(images, 0, 0) == (images, images)


def test_limits_are_set_on_images_that_the_trial_asks_for() -> None:
    train, apart = grey(4), grey(2)
    split: Any = SimpleNamespace(train=train, calibration=None)
    with_own: Any = SimpleNamespace(train=train, calibration=apart)
    assert normal_images(split, 0, 0) == (train, train, "fitted")
    assert normal_images(with_own, 0, 0) == (train, apart, "validation")
    assert normal_images(SimpleNamespace(train=train, calibration=grey(0)), 0, 0).where == "fitted"  # type: ignore[arg-type]
    assert normal_images(with_own, 0, 0, "crossfit") == (train, train, "crossfit")
    assert normal_images(with_own, 0, 0, "rest") == (train, apart, "rest")
    assert normal_images(split, 0, 0, "rest").where == "fitted"
    assert normal_images(with_own, 0.5, 0).where == "holdout"
    assert refused(lambda: normal_images(SimpleNamespace(train=grey(1), calibration=None), 0.25, 0)) == (  # type: ignore[arg-type]
        "a holdout of 0.25 needs 2 training images, one to fit on and one to set limits on: there is 1; leave the holdout out"
    )


def test_what_a_model_is_handed_says_nothing_and_cannot_be_written_to() -> None:
    images = Images(np.zeros((2, 2, 2, 3), np.uint8), ("good/1", "bad/2"), ("good", "x"), boxes=np.zeros((2, 4), int))
    found = handed(images)
    assert (found.paths, set(found.defects), found.masks, found.boxes) == (("image 0", "image 1"), {"good"}, None, None)
    assert handed(images, framed=True).boxes is images.boxes
    with pytest.raises(ValueError, match="read-only"):
        found.pixels[0] = 1


def test_large_sets_are_copied_into_a_file_and_keep_all_that_belongs_to_an_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from harness.trials import subsets

    whole = Images(
        grey(4).pixels, tuple("abcd"), ("good", "x", "y", "z"), np.arange(16, dtype=np.uint8).reshape(4, 2, 2),
        boxes=np.arange(16).reshape(4, 4),
    )  # fmt: skip
    at = np.array([3, 1])
    small = subset(whole, at)
    monkeypatch.setattr(subsets, "_IN_MEMORY", 1)
    large = subset(whole, at)
    assert isinstance(large.pixels, np.memmap)
    for found in (small, large):
        assert (found.paths, found.defects) == (("d", "b"), ("z", "x"))
        assert np.asarray(found.pixels)[:, 0, 0, 0].tolist() == [3, 1]
        assert found.masks is not None
        assert found.boxes is not None
        assert (found.masks[:, 0, 0].tolist(), found.boxes[:, 0].tolist()) == ([12, 4], [12, 4])
    plain = subset(grey(3), np.array([2]))
    assert (plain.masks, plain.boxes) == (None, None)
    mixed = taken_for_normal(whole, whole, np.random.default_rng(0))
    assert sorted(mixed.paths) == sorted("abcdabcd")
    assert list(mixed.paths) != list("abcdabcd")
    assert set(mixed.defects) == {"good"}
    assert mixed.boxes is not None
    assert [mixed.boxes[i, 0] // 4 for i in range(8)] == ["abcd".index(name) for name in mixed.paths]
    assert np.asarray(stacked(iter(grey(2).pixels), (2, 2, 2, 3)))[:, 0, 0, 0].tolist() == [0, 1]


def test_images_of_one_size_are_grouped_without_their_padding() -> None:
    pixels = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
    boxes = np.array([[0, 0, 4, 2], [1, 1, 3, 3], [0, 0, 4, 2]])
    images = Images(pixels, ("a", "b", "c"), ("good", "x", "y"), pixels[..., 0], boxes=boxes)
    found = {tuple(some.paths): (places.tolist(), some) for places, some in alike(images)}
    assert {names: places for names, (places, _) in found.items()} == {("a", "c"): [0, 2], ("b",): [1]}
    assert np.array_equal(found["b",][1].pixels, pixels[1:2, 1:3, 1:3])
    assert np.array_equal(found["a", "c"][1].masks, pixels[[0, 2], :, :2, 0])
    assert found["a", "c"][1].defects == ("good", "y")
    ((places, same),) = alike(grey(2))
    assert places.tolist() == [0, 1]
    assert same.paths == ("000", "001")


def test_small_maps_are_means_of_cells_in_the_order_of_their_images() -> None:
    maps = np.arange(16.0).reshape(1, 4, 4)
    assert shrink(maps, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert shrink(maps, 9).tolist() == maps.tolist()
    assert shrink(np.arange(6.0).reshape(1, 2, 3), 2).shape == (1, 2, 2)
    shrinker = Shrinker(2)
    assert shrinker.result() is None
    shrinker.add(np.full((1, 8, 8), 4.0), np.array([1]))
    shrinker.add(np.full((1, 8, 8), 1.0), np.array([0]))
    found = shrinker.result()
    assert found is not None
    assert (found.values.shape, found.largest) == ((2, 4, 4), 4.0)
    assert found.values[:, 0, 0].tolist() == [16, 31], "the root of a quarter is half of 31, rounded to even"
    other = Shrinker(2)
    other.add(np.full((1, 8, 8), 1.0))
    other.add(np.arange(1.0 * 16 * 16).reshape(1, 16, 16))
    of_other = other.result()
    assert of_other is not None
    assert of_other.values.shape == (2, 4, 4), "maps of another size get that of the first"
    odd = Shrinker(1)
    odd.add(np.full((1, 4, 4), np.inf))
    assert odd.result() is None
    below = Shrinker(1)
    below.add(np.full((1, 2, 2), -1.0))
    assert below.result() is not None


def test_thumbnails_leave_padding_out_and_keep_half_covered_cells_of_masks() -> None:
    import io

    from PIL import Image

    pixels = np.zeros((1, 300, 300, 3), np.uint8)
    masks = np.zeros((1, 300, 300), np.uint8)
    masks[0, :150] = 1
    whole, boxed = (
        thumbnails(Images(pixels, ("a",), ("x",), masks, boxes=boxes))[0]
        for boxes in (None, np.array([[0, 0, 300, 150]]))
    )
    for found, size in ((whole, (128, 128)), (boxed, (64, 128))):
        assert Image.open(io.BytesIO(found.jpeg)).size == size
        assert found.mask is not None
        assert found.mask.shape[0] == 128
        assert found.mask[:63].all()
        assert not found.mask[65:].any()


# Observers.


def test_an_observer_that_fails_is_named_once_and_others_are_told_on() -> None:
    warned: list[str] = []
    told: list[str] = []

    class Fails(Observer):
        def started(self, trial: Trial) -> None:
            raise OSError("disk\nfull")

    class Listens(Observer):
        def started(self, trial: Trial) -> None:
            told.append("started")

        def printed(self, plugin: str, line: str) -> None:
            told.append(f"{plugin}: {line}")

        def looked_at(self, category: str, findings: Any) -> None:
            told.append(category)

    several = Observers([Fails(), Listens()], warned.append)
    several.started(TRIAL)
    several.started(TRIAL)
    several.printed("glow", "hello")
    several.looked_at("tile", ())
    assert told == ["started", "started", "glow: hello", "tile"]
    assert warned == ["Fails failed and is told nothing more of this run: OSError: disk full"]
