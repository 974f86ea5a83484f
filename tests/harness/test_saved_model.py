"""A kept model is whole or refused, in one line that says what is wrong with which file."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import Model, ModelError
from harness.plugin.registry import Registry
from harness.trials import saved_model as module
from harness.trials.restoring import remarks_on
from harness.trials.saved_model import (
    DESCRIPTION,
    WEIGHTS,
    ModelFolder,
    SavedModel,
    digest_of_pixels,
    find,
    name_of,
    read,
    read_weights,
    write,
)
from harness.trials.trial import Trial

TRIAL = Trial("folder", "bottle", "cae[latent_dim=64]", "conv", "mse", 3, 64, 2, 8, 1e-3, 0.1, "fp32", "-")
STATE = {"centre": np.arange(12.0).reshape(3, 4).T, "count": np.asarray(7), "none": np.empty((0, 3), np.float32)}


def description(**other: Any) -> SavedModel:
    scores = {"mean": np.array([0.1, 1 / 3, 0.2]), "max": np.array([1.0, 2.0, 3.0])}
    return replace(
        SavedModel(
            TRIAL, "f" * 16, "mean", "mean", 0.1 + 0.2, scores, ("900x900",), ("RGB",), 1, {"model": "a 1"}, {"b": "2"}
        ),
        **other,
    )


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return write(description(), STATE, tmp_path / "models")


def alter(directory: Path, *, sign: bool = True, **changes: Any) -> None:
    """Change a description, by default as one would who knows how its digest is made."""
    said = json.loads((directory / DESCRIPTION).read_text())
    said.update(changes)
    if sign:
        said.pop("digest")
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        said["digest"] = hashlib.sha256(text.encode()).hexdigest()
    (directory / DESCRIPTION).write_text(json.dumps(said))


def test_what_is_written_is_read_to_the_last_bit(kept: Path) -> None:
    found = read(kept)
    assert replace(found, weights_hash="", calibration={}) == replace(description(), calibration={})
    assert all((found.calibration[pool] == scores).all() for pool, scores in description().calibration.items())
    state = read_weights(kept, found)
    assert state.keys() == STATE.keys()
    for name, array in STATE.items():
        assert state[name].dtype == array.dtype
        assert (state[name] == array).all()


def test_the_directory_is_named_for_people_and_found_by_id(kept: Path) -> None:
    assert kept.name == f"bottle-cae_latent_dim=64-conv-mse-seed3-{description().id}"
    assert find(kept.parent, description().id) == kept
    assert ModelFolder(kept.parent).of(description().id) == kept
    assert ModelFolder(kept.parent).of("0" * 16) is None
    assert find(kept.parent, "*") is None
    assert find(kept.parent / "absent", description().id) is None


@pytest.mark.parametrize("category", ["../../etc", "a/b", "", "ä ö", "x" * 500, "a\nb", ".hidden"])
def test_no_name_of_a_category_leads_out_of_the_folder(tmp_path: Path, category: str) -> None:
    saved = description(trial=TRIAL._replace(category=category))
    kept = write(saved, STATE, tmp_path / "models")
    assert kept.parent == tmp_path / "models"
    assert kept.resolve().parent == (tmp_path / "models").resolve()
    assert find(tmp_path / "models", saved.id) == kept
    assert read(kept).trial.category == category
    assert name_of(saved.trial, saved.id).isprintable()


def test_nothing_half_written_is_seen_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match=r"cannot be kept: No space left on device"):
        write(description(), STATE, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_what_a_killed_process_left_is_removed_when_it_is_old(kept: Path) -> None:
    old, new = (kept.with_name(f".harness-{number}.part") for number in (1, 2))
    for part in (old, new):
        part.mkdir()
    os.utime(old, (0, 0))
    write(description(), STATE, kept.parent)
    assert not old.exists()
    assert new.exists()


def test_a_damaged_model_is_replaced_by_keeping_it_again(kept: Path) -> None:
    (kept / DESCRIPTION).write_text("{")
    assert write(description(), STATE, kept.parent) == kept
    assert read(kept).limit == description().limit


def test_a_state_that_safetensors_cannot_hold_is_an_error_and_no_pickle(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be kept"):
        write(description(), {"what": np.array([object()])}, tmp_path / "models")


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_missing_file_is_named(kept: Path, name: str) -> None:
    (kept / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}' is missing: expected"):
        read_weights(kept, read(kept))


def test_what_is_no_directory_is_named_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"no model at .*absent': expected a directory that `harness run --keep-models`"
    ):
        read(tmp_path / "absent")


@pytest.mark.parametrize("at", [0, 9, -1])
def test_one_changed_bit_of_the_weights_is_seen(kept: Path, at: int) -> None:
    data = bytearray((kept / WEIGHTS).read_bytes())
    data[at] ^= 1
    (kept / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelError, match=r"weights.safetensors' is not what was written"):
        read_weights(kept, read(kept))


def test_truncated_weights_are_seen(kept: Path) -> None:
    data = (kept / WEIGHTS).read_bytes()
    (kept / WEIGHTS).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=rf"\({len(data) // 2} bytes of SHA-256"):
        read_weights(kept, read(kept))


def test_an_altered_limit_is_seen(kept: Path) -> None:
    alter(kept, sign=False, limit=99.0)
    with pytest.raises(ModelError, match=r"was altered after it was written"):
        read(kept)


def test_another_layout_of_the_same_description_is_no_alteration(kept: Path) -> None:
    said = json.loads((kept / DESCRIPTION).read_text())
    (kept / DESCRIPTION).write_text(json.dumps(dict(sorted(said.items(), reverse=True))))
    assert read(kept).limit == description().limit


def test_an_unknown_format_is_named_before_anything_else_is_asked(kept: Path) -> None:
    alter(kept, sign=False, format=2)
    with pytest.raises(ModelError, match=r"has format 2, this harness reads format 1"):
        read(kept)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit": "high"}, "limit is 'high'"),
        ({"limit": True}, "limit is True"),
        ({"pool": "median"}, "pool is 'median', but it has scores of mean, max"),
        ({"calibration": {"mean": [0.1, None]}}, "an item of calibration: mean is None, expected a finite number"),
        ({"calibration": []}, "calibration is"),
        ({"trial": {"dataset": "folder"}}, "it lacks 'category'"),
        ({"trial": {**TRIAL.written(), "image_size": 0}}, "image_size is 0, expected 1 to 9433"),
        ({"trial": {**TRIAL.written(), "model": "m" * 4001}}, "model has 4,001 characters, expected at most 4,000"),
        ({"trial": {**TRIAL.written(), "image_size": 9434}}, "image_size is 9434, expected 1 to 9433"),
        ({"trial": {**TRIAL.written(), "seed": "0"}}, "seed is '0'"),
        ({"trial": {**TRIAL.written(), "seed": 4}}, "id is"),
        ({"threads": "many"}, "threads is 'many'"),
        ({"plugins": []}, "plugins is []"),
        ({"versions": {"torch": 2}}, "versions: torch is 2"),
        ({"limit": 10**400}, "too large"),
        ({"sizes": [[900, 900]]}, "an item of sizes is [900, 900], expected text"),
    ],
)
def test_a_description_of_no_model_says_what_is_wrong(kept: Path, changes: dict[str, Any], reason: str) -> None:
    alter(kept, **changes)
    with pytest.raises(ModelError) as caught:
        read(kept)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_entry_that_is_absent_is_named(kept: Path) -> None:
    said = json.loads((kept / DESCRIPTION).read_text())
    del said["limit"]
    (kept / DESCRIPTION).write_text(json.dumps(said))
    alter(kept)
    with pytest.raises(ModelError, match="it lacks 'limit'"):
        read(kept)


@pytest.mark.parametrize("text", ["", "[]", "nul", "[" * 100_000, '{"format": NaN}', '{"limit": Infinity}', "\xff"])
def test_what_is_no_json_object_is_refused_in_one_line(kept: Path, text: str) -> None:
    (kept / DESCRIPTION).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"model\.json' is damaged: ") as caught:
        read(kept)
    assert "\n" not in str(caught.value)


def test_a_description_larger_than_any_is_not_read(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 1 << 20)
    (kept / DESCRIPTION).write_text(" " * ((1 << 20) + 1))
    with pytest.raises(ModelError, match="more than 1 MiB"):
        read(kept)


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


def test_a_pickle_in_place_of_weights_is_never_run(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(Bomb())
    (kept / WEIGHTS).write_bytes(data)
    alter(kept, weights_sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ModelError, match="is not safetensors"):
        read_weights(kept, read(kept))
    assert not (tmp_path / "exploded").exists()


def test_reading_a_model_imports_nothing_that_can_run_what_it_reads(kept: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from harness.trials.saved_model import read, read_weights\n"
        f"kept = Path({str(kept)!r}); read_weights(kept, read(kept))\n"
        "assert not {'torch', 'joblib', 'dill'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_description_is_an_error_of_ours_or_none(kept: Path, data: st.DataObject) -> None:
    whole = bytearray((kept / DESCRIPTION).read_bytes())
    try:
        damaged = bytearray(whole)
        for at, value in data.draw(
            st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)
        ):
            damaged[at] = value
        start, stop = sorted(data.draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
        (kept / DESCRIPTION).write_bytes(
            damaged[:start] + data.draw(st.sampled_from([b"", damaged[start:stop]])) + damaged[stop:]
        )
        try:
            found = read(kept)
        except ModelError as error:
            assert str(kept / DESCRIPTION) in str(error)
        else:
            assert replace(found, weights_hash="", calibration={}) == replace(description(), calibration={})
    finally:
        (kept / DESCRIPTION).write_bytes(whole)


@pytest.mark.parametrize(
    ("model", "holdout", "scores", "doubted"),
    [("patchcore", 0.0, [0, 0], True), ("patchcore", 0.2, [0, 0], False), ("dae", 0.0, [0, 1e-9], False)],
)
def test_a_limit_set_on_images_that_the_model_knows_by_heart_is_doubted(
    model: str, holdout: float, scores: list[float], doubted: bool
) -> None:
    trial = TRIAL._replace(model=model, holdout=holdout)
    saved = description(trial=trial, calibration={"mean": np.array(scores, dtype=float)})
    assert bool(saved.doubt) == doubted
    assert not doubted or "--calibrate crossfit" in saved.doubt


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_what_leads_out_of_the_directory_is_not_followed(kept: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    (kept / name).rename(outside)
    (kept / name).symlink_to(outside)
    with pytest.raises(ModelError, match="leads out of its directory, to .*outside"):
        read_weights(kept, read(kept))
    link = tmp_path / "link"
    link.symlink_to(kept)
    (kept / name).unlink()
    outside.rename(kept / name)
    assert read_weights(link, read(link)).keys() == STATE.keys(), "a link to the whole directory is one"


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(kept: Path, name: str) -> None:
    (kept / name).unlink()
    os.mkfifo(kept / name)
    with pytest.raises(ModelError, match="is no file"):
        read_weights(kept, read(kept))


def test_each_part_of_another_version_than_at_the_fit_is_told() -> None:
    registry = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    here = registry.offers(Model)["cae"].plugin
    kinds = ("dataset", "model", "encoder", "loss", "pool")
    then = dict.fromkeys(kinds, f"{here.distribution} 0.0.0")
    told = remarks_on(description(plugins=then), registry)
    spelt = ("folder", "cae[latent_dim=64]", "conv", "mse", "mean")
    for line, kind, text in zip(told, kinds, spelt, strict=True):
        assert line.startswith(f"it was fitted with {kind} {text} of {here.distribution} 0.0.0, here it is of ")
    same = dict.fromkeys(kinds, f"/another/place/{here.distribution} {here.version}")
    assert remarks_on(description(plugins=same), registry) == []


def test_an_image_is_known_again_by_its_pixels_and_their_shape_whatever_that_is() -> None:
    one = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert len(digest_of_pixels(one)) == 16
    assert digest_of_pixels(one) == digest_of_pixels(np.asfortranarray(one))
    others = [one.reshape(4, 2, 3), one + 1, np.zeros((0, 1_000_000_000_000, 3), np.uint8)]
    assert len({digest_of_pixels(image) for image in (one, *others)}) == 4
