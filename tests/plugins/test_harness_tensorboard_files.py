"""What lies in the folder of a trial, read by TensorBoard's own reader; no trial is fitted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import TrackedTrial, UsageError

pytest.importorskip("tensorboard", reason="TensorBoard is not here: pip install 'anomaly-harness[tensorboard]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

from harness_tensorboard import harness_trackers  # noqa: E402  after the skip
from harness_tensorboard.tracker import TensorBoard, _folder_name  # noqa: E402

TRIAL = TrackedTrial(
    "0123456789abcdef", "f00d", "bottle · dae[level=0.2] · seed 0", "done", "", {"model": "dae", "epochs": 3, "rate": 0.5},
    {"auroc/mean/quantile[q=0.99]": 0.75}, (0.5, 0.25), {"torch": "2.9", "numpy": "2.4"}, "harness run --models dae",
    lambda: "<p>ü",
)  # fmt: skip
FOLDER = "bottle_dae_level=0.2_seed_0-0123456789abcdef"


def opened(folder: Path) -> TensorBoard:
    made = TensorBoard(folder=str(folder))
    made.open()
    return made


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def text_of(found: Any, name: str) -> str:
    (event,) = found.Tensors(f"{name}/text_summary")
    assert event.step == 0
    return str(event.tensor_proto.string_val[0].decode())


def test_a_trial_is_a_folder_of_its_name_with_curves_texts_settings_and_page(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "events"
    opened(place).log(TRIAL)
    assert [one.name for one in place.iterdir()] == [FOLDER]
    found = read(place / FOLDER)
    assert [(one.step, one.value) for one in found.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
    assert [(one.step, one.value) for one in found.Scalars("auroc/mean/quantile[q=0.99]")] == [(0, 0.75)]
    assert found.Scalars("loss")[0].wall_time > 1.7e9
    assert text_of(found, "command") == "    harness run --models dae"
    assert text_of(found, "made by") == "- torch 2.9\n- numpy 2.4"
    assert "reason/text_summary" not in found.Tags()["tensors"]
    session = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

    hparams = parse_session_start_info_plugin_data(session).hparams
    assert (hparams["model"].string_value, hparams["epochs"].number_value, hparams["rate"].number_value) == ("dae", 3, 0.5)  # fmt: skip
    assert (place / FOLDER / "report.html").read_text(encoding="utf-8") == "<p>ü"
    assert json.loads((place / FOLDER / "trial.json").read_text()) == {
        "id": TRIAL.id, "status": "done", "metrics": ["auroc/mean/quantile[q=0.99]"]
    }  # fmt: skip


def test_a_trial_that_failed_has_its_reason_and_no_page(tmp_path: Path) -> None:
    opened(tmp_path).log(replace(TRIAL, status="error", reason="out of memory", metrics={}, losses=()))
    found = read(tmp_path / FOLDER)
    assert text_of(found, "reason") == "    out of memory"
    assert not (tmp_path / FOLDER / "report.html").exists()
    assert json.loads((tmp_path / FOLDER / "trial.json").read_text())["status"] == "error"


def test_a_folder_is_written_anew_for_a_new_status_or_metric_only(tmp_path: Path) -> None:
    def stamp() -> int:
        return (tmp_path / FOLDER / "trial.json").stat().st_ino

    opened(tmp_path).log(TRIAL)
    first = stamp()
    again = opened(tmp_path)
    again.log(TRIAL)
    again.log(replace(TRIAL, metrics={}))
    assert stamp() == first
    again.log(replace(TRIAL, metrics={"new": 1.0}))
    second = stamp()
    assert second != first
    again.log(replace(TRIAL, metrics={"new": 2.0}))
    assert stamp() == second, "in the same run, too"
    again.log(replace(TRIAL, status="error", metrics={"new": 1.0}))
    assert stamp() != second
    again.log(replace(TRIAL, status="error", metrics={"new": 1.0}, name="renamed"))
    assert (tmp_path / FOLDER).exists(), "a new name alone is no reason"
    again.log(replace(TRIAL, name="renamed"))
    assert [one.name for one in tmp_path.iterdir()] == [f"renamed-{TRIAL.id}"], "a trial has one folder"


def test_folders_of_others_are_left_alone_and_no_reason_to_stop(tmp_path: Path) -> None:
    odd = {"a": "{}", "b": "not json", "c": '{"id": 1}', "d": "[]", "e": '{"id": 1, "status": "done", "metrics": 3}'}
    for name, text in odd.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "trial.json").write_text(text)
    (tmp_path / "f" / "trial.json").mkdir(parents=True)
    opened(tmp_path).log(TRIAL)
    assert {one.name for one in tmp_path.iterdir()} == {*odd, "f", FOLDER}
    assert all((tmp_path / name / "trial.json").read_text() == text for name, text in odd.items())


def test_whatever_a_name_holds_its_folder_has_a_plain_name_of_bounded_length() -> None:
    assert _folder_name(replace(TRIAL, name="../ä/..b c.")) == f"b_c-{TRIAL.id}"
    assert _folder_name(replace(TRIAL, name="x" * 300)) == f"{'x' * 100}-{TRIAL.id}"


def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"^tracker 'tensorboard': '.*/file' is a file, expected a folder$"):
        TensorBoard(folder=str(tmp_path / "file")).prepare()
    TensorBoard(folder=str(tmp_path)).prepare()
    TensorBoard(folder=str(tmp_path / "new")).prepare()
    assert not (tmp_path / "new").exists(), "nothing is written yet"
    assert TensorBoard().folder == "tensorboard"
    assert list(harness_trackers()) == [TensorBoard]
