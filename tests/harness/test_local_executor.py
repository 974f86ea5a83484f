"""Where the local executor fits trials: in this process, or in several, as jobs, minutes, isolation and device ask."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.api import Dataset
from harness.plugin.registry import Registry
from harness.trials.datasets import own_photos
from harness.trials.executors import local
from harness.trials.executors.local import Local
from harness.trials.settings import Settings


@pytest.mark.parametrize(
    ("jobs", "config", "where"),
    [
        (None, {}, "here"),
        (None, {"side_by_side": 2}, (2, False)),
        (None, {"side_by_side": 2, "device": "cuda:0"}, (2, True)),
        (2, {"side_by_side": 2, "device": "cuda:0"}, (2, False)),
        (None, {"trial_minutes": 3.0}, (1, False)),
        (None, {"trial_minutes": 3.0, "isolate": True}, "here"),
        (None, {"trial_minutes": 3.0, "isolate": True, "side_by_side": 2}, (2, False)),
        (None, {"device": "cuda"}, "here"),
    ],
)
def test_trials_are_fitted_here_unless_several_run_at_once_or_one_may_have_to_be_ended(
    jobs: int | None, config: dict[str, Any], where: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(place: object) -> Any:
        return SimpleNamespace(run=lambda trials, worker, observer: iter([place]))

    monkeypatch.setattr(local, "Serial", lambda: noted("here"))
    monkeypatch.setattr(local, "Processes", lambda *asked: noted(asked))
    told = {"side_by_side": 1, "trial_minutes": None, "isolate": False, "device": "cpu", **config}
    worker: Any = SimpleNamespace(config=SimpleNamespace(**told))
    assert list(Local(jobs).run([], worker, None)) == [where]  # type: ignore[arg-type]


@pytest.mark.parametrize(("jobs", "trials", "found"), [(None, 1, 1), (3, 1, 3), (None, 0, 1), (7, 100, 7)])
def test_no_more_run_at_once_than_there_are_trials_unless_it_is_asked_for(
    jobs: int | None, trials: int, found: int
) -> None:
    assert Local(jobs).side_by_side("cpu", trials) == found


def test_fewer_than_one_job_is_refused() -> None:
    with pytest.raises(ValueError, match="jobs is 0: expected a whole number from 1"):
        Local(0)


def test_settings_are_equal_whichever_door_they_came_by() -> None:
    assert Settings.of({"seeds": "1,2"}) == Settings.of({"seeds": (1, 2)}, "command line")
    assert Settings.of({"seeds": "1,2"}) != Settings.of({"seeds": "1"})


def test_photos_are_read_by_the_most_particular_layout_that_finds_some(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("image,label\na.png,good\n")
    (tmp_path / "a.png").write_bytes(b"")
    registry = Registry.discover()
    assert {"folder", "photos", "table"} <= registry.offers(Dataset).keys()
    found, root = own_photos(registry, tmp_path / "photos.csv")
    assert (found.name, root) == ("table", tmp_path)
    for part in ("train/good", "test/good", "test/hole"):
        (tmp_path / "parts" / "plate" / part).mkdir(parents=True)
        (tmp_path / "parts" / "plate" / part / "1.png").write_bytes(b"")
    assert own_photos(registry, tmp_path / "parts")[0].name == "folder"
    for kind in ("good", "bad"):
        (tmp_path / "own" / kind).mkdir(parents=True)
        (tmp_path / "own" / kind / "1.png").write_bytes(b"")
    assert own_photos(registry, tmp_path / "own")[0].name == "photos"
