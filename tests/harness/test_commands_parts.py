"""What commands share: how warnings end, how a transfer is told, where an archive's images go, and names of new parts."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from harness.api import Dataset, Split
from harness.commands._downloading import _move_up, _place_of, _Told
from harness.commands._following import _Messages, warn
from harness.commands._left_out import said_and_counted
from harness.commands.new_plugin import _check_name
from harness.commands.predict import _heat_map_name, _Teller
from harness.deployment.predicting import Prediction
from harness.errors import DataError, HarnessWarning, LeftOutWarning, UnavailableError, UsageError
from harness.report.predictions import LINES


def ended(work: Any) -> Any:
    """How a command ends that does this work under the rules for warnings."""

    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        with said_and_counted(ctx):
            work(ctx)

    return CliRunner().invoke(command)


def lost(ctx: click.Context) -> None:
    for _ in range(2):
        warnings.warn("line 3 is damaged", LeftOutWarning, stacklevel=1)


def test_what_was_left_out_is_said_once_and_turns_success_into_exit_code_3() -> None:
    found = ended(lost)
    assert (found.exit_code, found.stderr) == (3, "harness: line 3 is damaged\n")
    assert ended(lambda ctx: (lost(ctx), ctx.exit(0))).exit_code == 3
    assert ended(lambda ctx: (lost(ctx), ctx.exit(1))).exit_code == 1, "what is worse stays"
    told = ended(lambda ctx: warnings.warn("a plugin\nis odd", HarnessWarning, stacklevel=1))
    assert (told.exit_code, told.stderr) == (0, "harness: a plugin\\nis odd\n")
    assert ended(lambda ctx: ctx.exit(0)).exit_code == 0


def test_other_warnings_go_where_they_went_before(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda message, *rest, **more: seen.append(str(message)))
        before = warnings.showwarning
        found = ended(lambda ctx: warnings.warn("of numpy", UserWarning, stacklevel=1))
        assert warnings.showwarning is before
    assert (seen, found.exit_code, found.stderr) == (["of numpy"], 0, "")


def test_lines_on_stderr_become_events_when_they_are_whole_and_empty_ones_do_not() -> None:
    told: list[tuple[str, str]] = []
    stream = _Messages(SimpleNamespace(write=lambda kind, text: told.append((kind, text))))  # type: ignore[arg-type]
    assert stream.write("harness: on") == 11
    assert told == []
    stream.write("e\n\n  \ntwo\nth")
    assert told == [("message", "harness: one"), ("message", "two")]
    stream.write("ree\n")
    assert told[2:] == [("message", "three")]


def test_a_warning_is_one_line_that_a_terminal_can_show(capsys: pytest.CaptureFixture[str]) -> None:
    warn("a\nb")
    assert capsys.readouterr().err == "harness: a\\nb\n"


def test_a_transfer_is_told_a_tenth_at_a_time_and_one_of_no_known_size_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = _Told()
    for here in (0, 5, 10, 19, 20, 100):
        told(here * 1_000_000, 100_000_000)
    _Told()(5, 0)
    assert capsys.readouterr().err.splitlines() == [
        "0 of 100 MB (0%)", "10 of 100 MB (10%)", "20 of 100 MB (20%)", "100 of 100 MB (100%)"
    ]  # fmt: skip
    monkeypatch.setattr("sys.stderr", terminal := io.StringIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    again = _Told()
    for here in (5_000_000, 2_000_000_000):
        again(here, 2_000_000_000)
    assert terminal.getvalue() == "\r5 of 2,000 MB (0%)\r2,000 of 2,000 MB (100%)\n"


class Folders(Dataset):
    name = "folders"
    layout = "ROOT/train/*.png"

    def categories(self) -> tuple[str, ...]:
        if self.root is None or not (self.root / "train").is_dir():
            raise DataError("no train here")
        return ("part",)

    def load(self, category: str, image_size: int) -> Split:
        raise NotImplementedError


def test_an_archive_may_wrap_its_images_in_folders_and_they_move_up_together(tmp_path: Path) -> None:
    draft, root = tmp_path / "draft", tmp_path / "root"
    (draft / "a" / "b" / "train").mkdir(parents=True)
    (draft / "a" / "b" / "readme.txt").write_text("x")
    root.mkdir()
    place = _place_of(Folders(), draft)
    assert place == draft / "a" / "b"
    (root / "train").mkdir()
    with pytest.raises(UnavailableError, match="/train' is there already: move it away, or choose another folder"):
        _move_up(place, root)
    assert (place / "readme.txt").exists(), "nothing has moved"
    (root / "train").rmdir()
    _move_up(place, root)
    assert sorted(one.name for one in root.iterdir()) == ["readme.txt", "train"]
    (draft / "c").mkdir()
    with pytest.raises(DataError, match="the archive holds no folders: expected ROOT/train"):
        _place_of(Folders(), draft)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("MyModel", "model", "such as 'my_model'"),
        ("my-model 2", "model", "such as 'my_model_2'"),
        ("2fast", "model", "such as 'my_2fast'"),
        ("all", "pool", "such as 'my_all'"),
        ("!", "pool", "such as 'my_pool'"),
        ("dae", "model", r"model 'dae' is offered by .* already: choose another name, as 'my_dae'"),
    ],
)
def test_a_name_that_a_part_cannot_have_is_answered_with_one_that_it_can(name: str, kind: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _check_name(name, kind)


def test_a_name_that_a_part_can_have_is_taken() -> None:
    _check_name("my_model_2", "model")
    _check_name("dae", "pool")


@pytest.mark.parametrize(
    ("image", "picture"),
    [("a/b.png", "a/b.png"), ("a.PNG", "a.PNG"), ("a.jpg", "a.jpg.png"), ("a.jpg.png", "a.jpg.png.png"), ("a.v2.png", "a.v2.png")],
)  # fmt: skip
def test_no_two_images_have_one_picture(image: str, picture: str) -> None:
    assert str(_heat_map_name(Path(image))) == picture


def teller(tmp_path: Path, tiles: int = 0, heat_maps: Path | None = None) -> tuple[_Teller, list[str]]:
    followed: list[str] = []
    trial = SimpleNamespace(tiles=tiles, overlap=2, resize="tiles" if tiles else "stretch", image_size=8, model="dae")
    saved = SimpleNamespace(trial=trial, sizes=(), modes=(), calibration={"max": np.array([0.5, 2.0])})
    model = SimpleNamespace(name="dae")
    detector: Any = SimpleNamespace(saved=saved, model=model, limit=5.0, threshold="mean", pool="mean")
    detector.picture = lambda file, longest: np.zeros((4, 6, 3), np.uint8)
    drift: Any = SimpleNamespace(follow=lambda one: followed.append(str(one.file)))
    return _Teller(detector, LINES["json"](detector, False), heat_maps, drift), followed


def prediction(name: str, score: float | None = 3.0, **more: Any) -> Prediction:
    return Prediction(Path(name), Path(name), score, score is not None and score > 5, **more)


def test_each_prediction_is_a_line_counted_and_followed_and_a_problem_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, followed = teller(tmp_path)
    told.tell([prediction("a.png"), prediction("b.png", 9.0), prediction("c.png", None, problem="c.png is\ngone")])
    said = capsys.readouterr()
    assert dict(told.decisions) == {"normal": 1, "anomalous": 1, "unreadable": 1}
    assert (followed, told.troubled, told.of_tiles) == (["a.png", "b.png", "c.png"], True, "")
    assert len(said.out.splitlines()) == 3
    assert said.err == "harness: c.png is\\ngone\n"
    fine, _ = teller(tmp_path)
    fine.tell([prediction("a.png")])
    assert not fine.troubled


def test_tiles_are_counted_where_images_are_cut_and_only_where_nobody_waits(tmp_path: Path) -> None:
    pixels = np.zeros((8, 14, 3), np.uint8)
    for timed, count in ((True, 4), (False, 0)):
        told, _ = teller(tmp_path, tiles=8)
        told.tell(
            [prediction("a.png", pixels=pixels), prediction("b.png", pixels=pixels), prediction("c.png")], timed=timed
        )
        assert told.tiles == count
        assert told.of_tiles.startswith(f"; {count} tiles of 8x8, " if count else "")
        assert told.of_tiles.endswith(" a second" if count else "")


def test_a_picture_is_written_for_each_score_and_a_model_without_maps_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = teller(tmp_path, heat_maps=tmp_path / "maps")
    told.tell(
        [prediction("x/a.jpg", map=np.eye(4)), prediction("b.png"), prediction("c.png"), prediction("d.png", None)]
    )
    assert [str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*.png")] == ["maps/x/a.jpg.png"]
    said = capsys.readouterr()
    assert said.err == "harness: model 'dae' has no maps: no heat maps\n"
    assert "maps/x/a.jpg.png" in said.out
    blocked, _ = teller(tmp_path, heat_maps=tmp_path / "maps" / "x" / "a.jpg.png")
    blocked.tell([prediction("a.jpg", map=np.eye(4))])
    assert "a.jpg.png cannot be written: " in capsys.readouterr().err
    assert blocked.troubled
    vanished, _ = teller(tmp_path, heat_maps=tmp_path / "maps")

    def gone(file: Path, longest: int) -> None:
        raise DataError("a.jpg is gone")

    vanished.detector.picture = gone  # type: ignore[method-assign]
    vanished.tell([prediction("a.jpg", map=np.eye(4))])
    assert "a.jpg.png cannot be made: a.jpg is gone" in capsys.readouterr().err
