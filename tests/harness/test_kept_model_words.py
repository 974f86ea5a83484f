"""What a kept model remembers, field by field, and the exact words in which a directory that holds none is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from harness.api import Encoder, Loss, Model, Threshold
from harness.errors import ModelError, TooFewError, UnavailableError, UsageError
from harness.plugin.in_process import IN_PROCESS
from harness.trials import restoring, saved_model
from harness.trials.chosen import Chosen
from harness.trials.saved_model import (
    DESCRIPTION,
    WEIGHTS,
    ModelFolder,
    SavedModel,
    describe,
    find,
    limit_by,
    name_of,
    read,
    read_weights,
    write,
)
from harness.trials.trial import Trial

TRIAL = Trial("folder", "bottle", "cae[latent_dim=64]", "conv", "mse", 3, 64, 2, 8, 1e-3, 0.1, "fp32", "-")
STATE = {"centre": np.arange(6.0)}
HOW = "expected a directory that `harness run --keep-models` wrote"


def saved(**other: Any) -> SavedModel:
    scores = {"mean": np.array([0.5, 0.25]), "max": np.array([1.0, 2.0])}
    return replace(SavedModel(TRIAL, "f" * 16, "mean", "quantile", 0.75, scores), **other)


FULL = saved(
    sizes=("900x600",),
    modes=("RGB", "L"),
    threads=2,
    plugins={"model": "a 1"},
    versions={"torch": "2"},
    depth=12,
    calibrated_on="crossfit",
    known=frozenset({"b" * 16, "a" * 16}),
    statistics={"brightness": (0.5, 0.125)},
    chosen=Chosen(3, 0.02, 0.05, painted=True, bad=("c" * 16,)),
)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return write(saved(), STATE, tmp_path / "models")


def alter(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a description as one would who knows how its digest is made."""
    said = json.loads((directory / DESCRIPTION).read_text())
    said.pop("digest")
    change(said)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    said["digest"] = hashlib.sha256(text.encode()).hexdigest()
    (directory / DESCRIPTION).write_text(json.dumps(said))


def refused(directory: Path) -> str:
    with pytest.raises(ModelError) as error:
        read_weights(directory, read(directory))
    return str(error.value).replace(str(directory), "KEPT")


@pytest.mark.parametrize("name", [one.name for one in fields(SavedModel) if one.name != "weights_hash"])
def test_each_field_of_a_kept_model_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    found = read(write(FULL, STATE, tmp_path))
    if name == "calibration":
        assert {pool: scores.tolist() for pool, scores in found.calibration.items()} == {
            "mean": [0.5, 0.25],
            "max": [1.0, 2.0],
        }
    else:
        assert getattr(found, name) == getattr(FULL, name)


def test_what_is_as_usual_is_left_out_of_a_description(tmp_path: Path) -> None:
    def said(model: SavedModel) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((write(model, STATE, tmp_path) / DESCRIPTION).read_text())
        return found

    usual, full = said(saved()), said(FULL)
    assert list(usual) == [
        *("format", "id", "trial", "fingerprint", "pool", "threshold", "limit", "calibration", "sizes", "modes"),
        *("threads", "plugins", "versions", "weights_sha256", "digest"),
    ]
    assert full.keys() - usual.keys() == {"calibrated_on", "depth", "known", "statistics", "chosen"}
    assert full["known"] == ["a" * 16, "b" * 16], "sorted, so that one model is written in one way"
    assert (usual["format"], usual["id"], usual["trial"]) == (1, saved().id, TRIAL.written())


def test_a_description_is_laid_out_for_people_and_ends_its_last_line(kept: Path) -> None:
    text = (kept / DESCRIPTION).read_text()
    assert text.startswith('{\n "format": 1,\n "id": "')
    assert text.endswith('"\n}\n')


@pytest.mark.parametrize(
    "name",
    [
        *("id", "trial", "fingerprint", "pool", "threshold", "limit", "calibration", "sizes", "modes", "threads"),
        *("plugins", "versions", "weights_sha256"),
    ],
)
def test_each_entry_that_always_was_there_is_missed(kept: Path, name: str) -> None:
    alter(kept, lambda said: said.pop(name))
    assert refused(kept) == f"'KEPT/model.json' describes no model: it lacks '{name}'"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("trial", [], "trial is [], expected values by name"),
        ("calibration", [], "calibration is [], expected values by name"),
        ("calibration", {"mean": 3}, "calibration: mean is 3, expected a list"),
        ("calibration", {"mean": ["3"]}, "an item of calibration: mean is '3', expected a finite number"),
        ("fingerprint", 3, "fingerprint is 3, expected text"),
        ("pool", 3, "pool is 3, expected text"),
        ("pool", "p99", "pool is 'p99', but it has scores of mean, max"),
        ("threshold", None, "threshold is None, expected text"),
        ("limit", "0.5", "limit is '0.5', expected a finite number"),
        ("sizes", "900x900", "sizes is '900x900', expected a list"),
        ("modes", [3], "an item of modes is 3, expected text"),
        ("threads", 1.5, "threads is 1.5, expected a whole number"),
        ("plugins", {"model": 1}, "plugins: model is 1, expected text"),
        ("versions", [], "versions is [], expected values by name"),
        ("depth", "16", "depth is '16', expected a whole number"),
        ("depth", 7, "depth is 7, expected 8 to 16 bits"),
        ("depth", 17, "depth is 17, expected 8 to 16 bits"),
        ("calibrated_on", 1, "calibrated_on is 1, expected text"),
        ("known", "abc", "known is 'abc', expected a list"),
        ("weights_sha256", 1, "weights_sha256 is 1, expected text"),
        ("statistics", [1], "statistics is [1], expected values by name"),
        ("statistics", {"mean": [1.0]}, "a statistic is expected to have a mean and a deviation"),
        ("statistics", {"mean": [1.0, 2.0, 3.0]}, "a statistic is expected to have a mean and a deviation"),
        ("chosen", 3, "chosen is 3, expected fields by name"),
        ("chosen", {"share": 0.5}, "chosen lacks 'among'"),
        ("id", "0" * 16, f"id is '{'0' * 16}', its trial and data give {saved().id!r}"),
    ],
)
def test_an_entry_that_is_none_is_quoted_with_what_was_expected(kept: Path, name: str, value: Any, said: str) -> None:
    alter(kept, lambda found: found.update({name: value}))
    assert refused(kept) == f"'KEPT/model.json' describes no model: {said}"


@pytest.mark.parametrize("name", ["dataset", "category", "model", "encoder", "loss"])
def test_a_name_longer_than_any_is_refused_without_being_quoted(kept: Path, name: str) -> None:
    alter(kept, lambda said: said["trial"].update({name: "x" * 4_001}))
    assert refused(kept) == (
        f"'KEPT/model.json' describes no model: {name} has 4,001 characters, expected at most 4,000"
    )


@pytest.mark.parametrize("name", ["dataset", "category", "model", "encoder", "loss"])
def test_a_name_of_the_most_characters_is_read(name: str, tmp_path: Path) -> None:
    trial = TRIAL._replace(**{name: "x" * 4_000})
    directory = tmp_path / "kept"
    directory.mkdir()
    describe(saved(trial=trial), directory)
    assert read(directory).trial == trial


@pytest.mark.parametrize("depth", [8, 16])
def test_depths_from_8_to_16_bits_are_read(tmp_path: Path, depth: int) -> None:
    assert read(write(saved(depth=depth), STATE, tmp_path)).depth == depth


def test_a_model_of_before_says_nothing_of_what_was_not_kept_then(kept: Path) -> None:
    found = read(kept)
    assert (found.depth, found.calibrated_on, found.known, found.statistics) == (16, "", frozenset(), {})
    assert found.chosen is None


def test_a_limit_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    directory = write(saved(), STATE, tmp_path)
    text = (directory / DESCRIPTION).read_text()
    (directory / DESCRIPTION).write_text(text.replace("0.75", "1e999"))
    alter(directory, lambda said: None)
    said = (directory / DESCRIPTION).read_text()
    (directory / DESCRIPTION).write_text(said.replace("Infinity", "1e999"))
    assert refused(directory) == "'KEPT/model.json' describes no model: its limit or a score is not finite"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "it is a list"),
        ('"a"', "it is a str"),
        ('{"limit": NaN}', "NaN is no finite number"),
        ('{"limit": -Infinity}', "-Infinity is no finite number"),
        ("nul", "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_description_that_is_no_object_is_damaged(kept: Path, text: str, said: str) -> None:
    (kept / DESCRIPTION).write_text(text)
    assert refused(kept) == f"'KEPT/model.json' is damaged: {said}; {HOW}"


def test_another_format_and_another_digest_say_what_to_do(kept: Path) -> None:
    said = json.loads((kept / DESCRIPTION).read_text())
    (kept / DESCRIPTION).write_text(json.dumps({**said, "limit": 3.0}))
    assert refused(kept) == (
        "'KEPT/model.json' was altered after it was written: its digest is another; keep the model again"
    )
    (kept / DESCRIPTION).write_text(json.dumps({**said, "format": "2"}))
    assert refused(kept) == (
        "'KEPT/model.json' has format '2', this harness reads format 1: use the harness that wrote it, or keep the "
        "model again"
    )


def test_files_that_are_missing_pipes_links_or_too_large_are_named(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(tmp_path / "none") == f"no model at 'KEPT': {HOW}"
    (kept / WEIGHTS).rename(tmp_path / "weights")
    assert refused(kept) == "'KEPT/weights.safetensors' is missing: expected it beside model.json"
    (kept / WEIGHTS).mkdir()
    assert refused(kept) == "'KEPT/weights.safetensors' is no file: expected it beside model.json"
    (kept / WEIGHTS).rmdir()
    (kept / WEIGHTS).symlink_to(tmp_path / "weights")
    assert refused(kept) == (
        f"'KEPT/weights.safetensors' leads out of its directory, to {str(tmp_path / 'weights')!r}: expected it beside "
        "model.json"
    )
    (kept / DESCRIPTION).rename(tmp_path / "description")
    assert refused(kept) == f"'KEPT/model.json' is missing: {HOW}"
    monkeypatch.setattr(saved_model, "_LARGEST", 1 << 20)
    (kept / DESCRIPTION).write_bytes(b" " * ((1 << 20) + 1))
    assert refused(kept) == f"'KEPT/model.json' has more than 1 MiB: {HOW}"
    (kept / DESCRIPTION).write_bytes(b" " * (1 << 20))
    assert refused(kept).startswith("'KEPT/model.json' is damaged: "), "so many bytes are still read"


def test_weights_that_are_others_or_no_safetensors_say_so(kept: Path) -> None:
    other = save({"centre": np.zeros(2)})
    before = read(kept).weights_hash
    (kept / WEIGHTS).write_bytes(other)
    digest = hashlib.sha256(other).hexdigest()
    assert refused(kept) == (
        f"'KEPT/weights.safetensors' is not what was written ({len(other)} bytes of SHA-256 {digest[:16]}..., "
        f"expected {before[:16]}...): copy it again, or keep the model again"
    )
    (kept / WEIGHTS).write_bytes(b"no weights")
    alter(kept, lambda said: said.update(weights_sha256=hashlib.sha256(b"no weights").hexdigest()))
    assert refused(kept).startswith("'KEPT/weights.safetensors' is not safetensors: ")


def test_a_model_that_cannot_be_kept_is_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    target = tmp_path / "models" / name_of(TRIAL, saved().id)
    with pytest.raises(ModelError) as full:
        write(saved(), STATE, tmp_path / "models")
    assert str(full.value) == f"model {str(target)!r} cannot be kept: File exists"
    with pytest.raises(ModelError) as odd:
        write(saved(), {"centre": np.array([object()])}, tmp_path / "others")
    assert str(odd.value).startswith(f"model {target.name!r} cannot be kept: ")


def test_an_interrupt_while_a_model_is_kept_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saved_model, "describe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(saved(), STATE, tmp_path)


@pytest.mark.parametrize(
    ("sizes", "resize", "shape"),
    [
        (("900x600", "10x10"), "stretch", (64, 64)),
        (("900x450",), "pad", (32, 64)),
        (("450x900",), "pad", (64, 32)),
        (("900x600",), "tiles", (600, 900)),
        ((), "tiles", (1, 1)),
        (("0x0",), "tiles", (1, 1)),
        (("1234567x10",), "tiles", (1, 1)),
        (("what",), "tiles", (1, 1)),
    ],
)
def test_the_shape_of_its_images_follows_from_the_size_of_most_files(
    sizes: tuple[str, ...], resize: str, shape: tuple[int, int]
) -> None:
    assert saved(sizes=sizes, trial=TRIAL._replace(resize=resize)).image_shape == shape


KNOWS = (
    "cae[latent_dim=64] knows the images that its limit was set on: all score 0, so that any other is anomalous: fit it "
    "with --calibrate crossfit"
)
GONE = (
    "its calibration scores are gone: the limit stays as it was kept, and there are no p-values, no other thresholds, "
    "and no search for drift; keep the model again for these"
)


@pytest.mark.parametrize(
    ("trial", "scores", "said"),
    [
        ({"holdout": 0.0}, [0.0, 0.0], KNOWS),
        ({"holdout": 0.0}, [0.0, 0.1], ""),
        ({"holdout": 0.1}, [0.0, 0.0], ""),
        ({"holdout": 0.0, "calibrate": "crossfit"}, [0.0, 0.0], ""),
        ({}, [], GONE),
    ],
)
def test_a_limit_of_little_use_is_doubted_in_words(trial: dict[str, Any], scores: list[float], said: str) -> None:
    found = saved(trial=TRIAL._replace(**trial), calibration={"mean": np.array(scores)})
    assert found.doubt == said


@pytest.mark.parametrize(
    ("where", "holdout", "unfitted"),
    [
        ("", 0.0, False),
        ("", 0.2, True),
        ("fitted", 0.0, False),
        *((where, 0.0, True) for where in ("holdout", "crossfit", "validation")),
        ("rest", 0.0, False),
    ],
)
def test_limits_hold_for_new_images_where_they_were_set_on_images_that_were_not_fitted(
    where: str, holdout: float, unfitted: bool
) -> None:
    assert saved(calibrated_on=where, trial=TRIAL._replace(holdout=holdout)).unfitted is unfitted


class _Threshold(Threshold):
    name = "odd"

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def fit(self, normal: Any) -> Any:
        if isinstance(self.gives, BaseException):
            raise self.gives
        return self.gives


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (TooFewError("it takes 59 images"), "it takes 59 images"),
        (float("nan"), "threshold odd gives no limit: ValueError: the limit is nan"),
        (SystemExit(3), "threshold odd gives no limit: SystemExit: 3"),
        (KeyError("x"), "threshold odd gives no limit: KeyError: 'x'"),
    ],
)
def test_a_threshold_that_gives_no_limit_is_named(gives: Any, said: str) -> None:
    with pytest.raises(ModelError) as error:
        limit_by(_Threshold(gives), np.array([1.0]))
    assert str(error.value) == said


def test_a_threshold_gives_its_limit_and_lets_an_interrupt_through() -> None:
    assert limit_by(_Threshold(2), np.array([1.0])) == 2.0
    with pytest.raises(KeyboardInterrupt):
        limit_by(_Threshold(KeyboardInterrupt()), np.array([1.0]))


@pytest.mark.parametrize(
    ("trial", "name"),
    [
        (TRIAL, "bottle-cae_latent_dim=64-conv-mse-seed3-ID"),
        (TRIAL._replace(encoder="-", loss="-"), "bottle-cae_latent_dim=64-seed3-ID"),
        (TRIAL._replace(category="/../x y/."), "x_y-cae_latent_dim=64-conv-mse-seed3-ID"),
        (TRIAL._replace(category="c" * 200), f"{'c' * 100}-ID"),
    ],
)
def test_a_directory_is_named_by_the_parts_of_its_trial_and_is_never_long(trial: Trial, name: str) -> None:
    assert name_of(trial, "ID") == name


def test_a_directory_is_found_by_its_id_where_it_is_one_that_lies_there(tmp_path: Path) -> None:
    one = "0123456789abcdef"
    for name in (f"b-{one}", f"a-{one}", f".hidden-{one}", f"c-{one[::-1]}"):
        (tmp_path / name).mkdir()
    (tmp_path / f"0-{one}").write_text("a file")
    assert find(tmp_path, one) == tmp_path / f"a-{one}"
    for none in ("0" * 16, one[:15], f"{one}0", one.upper(), "*"):
        assert find(tmp_path, none) is None
    outside = tmp_path / "outside"
    (tmp_path / f"b-{one}").rename(outside)
    (tmp_path / f"a-{one}").rmdir()
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / f"a-{one}").symlink_to(outside)
    assert find(folder, one) is None, "a link that leads out of the folder is not followed"


def test_a_model_is_there_where_its_description_is_sound_and_its_weights_are_a_file(kept: Path) -> None:
    folder, one = ModelFolder(kept.parent), saved().id
    assert folder.of(one) == kept
    weights = (kept / WEIGHTS).read_bytes()
    (kept / WEIGHTS).unlink()
    assert folder.of(one) is None
    (kept / WEIGHTS).write_bytes(weights)
    other = "0" * 16
    kept.rename(kept.with_name(f"x-{other}"))
    assert folder.of(other) is None, "it says that it is another's"
    (kept.with_name(f"x-{other}") / DESCRIPTION).write_text("")
    assert folder.of(other) is None


class _Registry:
    """Makes the parts that it was given, and refuses all others."""

    def __init__(self, **made: Any) -> None:
        self.made = made

    def make(self, kind: type[Any], text: str) -> Any:
        if text not in self.made:
            raise UsageError(f"no {kind.kind} {text!r}.")
        return self.made[text]


def lacking(found: SavedModel, kind: type[Any], text: str) -> str:
    with pytest.raises(ModelError) as error:
        restoring.made(_Registry(), kind, text, found, Path("m"))  # type: ignore[arg-type]
    return str(error.value)


def test_a_part_that_is_not_here_is_named_with_where_it_came_from() -> None:
    found = saved(plugins={"model": "glow 1.2", "encoder": f"{IN_PROCESS} 1a2b3c4d"})
    assert lacking(found, Model, "glow") == (
        "model 'm' needs model 'glow' of glow 1.2: no model 'glow'. Install it, or give --plugin FILE.py"
    )
    assert lacking(found, Loss, "mine") == (
        "model 'm' needs loss 'mine' of a plugin that it does not name: no loss 'mine'. Install it, or give --plugin "
        "FILE.py"
    )
    assert lacking(found, Encoder, "own") == (
        "model 'm' needs encoder 'own', which was defined in the notebook or script that fitted it, and not in a "
        "plugin: no encoder 'own'. Give its class (plugins=[ThatClass]), or a .py file that has it with its hook "
        "(--plugin FILE.py)"
    )


class _Restored(Model):
    name = "cae"

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def fit(self, normal: Any, **how: Any) -> None: ...

    def score(self, images: Any) -> Any: ...

    def restore(self, state: Any, **how: Any) -> None:
        if self.error:
            raise self.error
        self.state_given, self.how = state, how


def _restore(kept: Path, model: _Restored, trial: Trial = TRIAL, remarks: tuple[str, ...] = ()) -> Model:
    parts = {TRIAL.model: model, "conv": "the encoder", "mse": "the loss"}
    found = replace(read(kept), trial=trial)
    return restoring.restored(found, kept, _Registry(**parts), "cuda:1", Path("w"), remarks)  # type: ignore[arg-type]


def test_a_model_is_restored_with_its_parts_its_device_and_what_it_learned(kept: Path) -> None:
    model = _Restored()
    assert _restore(kept, model) is model
    assert model.state_given["centre"].tolist() == STATE["centre"].tolist()
    assert (model.how["encoder"], model.how["loss"]) == ("the encoder", "the loss")
    assert (model.how["run"].device, model.how["run"].weights_dir, model.how["run"].seed) == ("cuda:1", Path("w"), 3)
    _restore(kept, model, TRIAL._replace(encoder="-", loss="-"))
    assert (model.how["encoder"], model.how["loss"]) == (None, None)


def test_a_model_that_cannot_take_what_it_learned_says_why_with_what_may_be_the_cause(kept: Path) -> None:
    with pytest.raises(ModelError) as error:
        _restore(kept, _Restored(KeyError("centre")), remarks=("it is older",))
    assert str(error.value) == (
        f"model {str(kept)!r}: cae cannot take what it learned: KeyError: 'centre'; it is older"
    )
    with pytest.raises(UnavailableError, match="^no weights here$"):
        _restore(kept, _Restored(UnavailableError("no weights here")))
