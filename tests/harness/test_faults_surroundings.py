"""Odd surroundings: locales, names, paths, line ends. Each works, or is one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm_python
from PIL import Image

SILENT_LOCALE = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def harness(*words: str | bytes | Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    start = subprocess.run if environ else warm_python.run  # Python reads its locale when it starts
    return start(
        [sys.executable, "-m", "harness", *words],
        env={**inherited, **environ},
        check=False,
        capture_output=True,
        timeout=120,
    )


def run(plugin: Path | bytes, store: Path | bytes, *more: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    words = ["--device", "cpu", "--jobs", "1", "--dataset", "dots", "--categories", "large", "--models", "mean_image"]
    words += ["--thresholds", "highest", *more]
    return harness("run", "--no-floors", "--plugin", plugin, "--store", store, *words, **environ)


def fits(done: subprocess.CompletedProcess[bytes]) -> None:
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"1 fitted" in done.stderr
    assert b"mean_image" in done.stdout
    assert b"Traceback" not in done.stderr


def is_refused(done: subprocess.CompletedProcess[bytes], reason: str) -> None:
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 2, said
    assert reason in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C", **SILENT_LOCALE},
        {"LC_ALL": "POSIX"},
        {"LC_ALL": "tr_TR.UTF-8"},
        {"LC_ALL": "no_SUCH.locale"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=["C", "POSIX", "Turkish", "unknown", "Latin-1", "ASCII"],
)
def test_every_locale_and_terminal_shows_a_leaderboard(
    tmp_path: Path, dots_plugin: Path, environ: dict[str, str]
) -> None:
    done = run(dots_plugin, tmp_path / "runs", "--image-size", "8", **environ)
    fits(done)
    assert b"all anomalous" in done.stdout


def test_paths_with_spaces_quotes_and_brackets_work_and_are_quoted_in_what_is_suggested(
    tmp_path: Path, dots_plugin: Path
) -> None:
    folder = tmp_path / "it's [my] store $HOME"
    plugin = folder / "a plugin.py"
    folder.mkdir()
    plugin.write_text(dots_plugin.read_text())
    done = run(plugin, folder / "runs")
    fits(done)
    suggested = done.stderr.decode().split("`")[1]
    words = f"{suggested} --format json --thresholds highest --plugin '{dots_plugin}'".removeprefix("harness ")
    shown = subprocess.run(
        ["sh", "-c", f'"$0" -m harness {words}', sys.executable], check=True, capture_output=True, text=True
    )
    assert "mean_image" in shown.stdout


def test_names_that_are_not_utf_8_work(tmp_path: Path, dots_plugin: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/st\xf6re"
    os.mkdir(folder)  # noqa: PTH102  # as bytes
    plugin = folder + b"/dots\xff.py"
    with open(plugin, "wb") as file:  # noqa: PTH123
        file.write(dots_plugin.read_bytes())
    fits(run(plugin, folder + b"/runs"))
    again = run(plugin, folder + b"/runs", "--format", "json")
    assert b"0 fitted, 1 already there" in again.stderr


def test_paths_near_the_limit_work_and_those_beyond_it_are_one_line(tmp_path: Path, dots_plugin: Path) -> None:
    fits(run(dots_plugin, tmp_path / ("r" * 250)))
    is_refused(run(dots_plugin, tmp_path / ("r" * 300)), "File name too long")
    is_refused(run(dots_plugin, tmp_path / "runs", "--data-root", "r" * 5000), "File name too long")
    is_refused(harness("leaderboard", "--store", "r" * 300), "File name too long")
    is_refused(run(tmp_path / ("p" * 300), tmp_path / "runs"), "File name too long")


def test_a_store_as_deep_as_the_system_allows_works_or_says_so(tmp_path: Path, dots_plugin: Path) -> None:
    deep = tmp_path
    while len(str(deep)) < 1000:
        deep /= "d" * 200
    done = run(dots_plugin, deep / "runs")
    if done.returncode:
        is_refused(done, "store '")
    else:
        fits(done)


def test_links_that_lead_in_circles_are_one_line(tmp_path: Path, dots_plugin: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    is_refused(run(dots_plugin, loop), "cannot be made")
    is_refused(run(dots_plugin, tmp_path / "runs", "--data-root", str(loop)), "is not a folder")
    is_refused(run(loop, tmp_path / "runs"), "no plugin file")
    is_refused(run(dots_plugin, tmp_path / "runs", "--config", str(loop)), "cannot be read")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_a_configuration_written_on_windows_is_read(tmp_path: Path, dots_plugin: Path, mark: bytes) -> None:
    config = tmp_path / "bench.toml"
    config.write_bytes(mark + b'# K\xc3\xa4fer\r\nimage-size = 24\r\nseeds = """\r\n3"""\r\n')
    done = run(dots_plugin, tmp_path / "runs", "--config", str(config), "--format", "json")
    fits(done)
    assert b'"image_size": 24' in done.stdout
    assert b'"seed": 3' in done.stdout


def test_a_data_set_that_changes_between_runs_means_new_trials_that_no_board_mixes_with_the_old(
    tmp_path: Path, dots_plugin: Path
) -> None:
    root = tmp_path / "nuts"
    for place, shade in (("train/good", 90), ("test/good", 95), ("test/cut", 200)):
        (root / place).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (20, 20), (shade + index, 90, 90)).save(root / place / f"{index}.png")
    words = ["--dataset", "folder", "--data-root", str(root), "--categories", "all", "--image-size", "16"]
    words += ["--format", "md"]
    fits(run(dots_plugin, tmp_path / "runs", *words))
    assert b"0 fitted, 1 already there" in run(dots_plugin, tmp_path / "runs", *words).stderr
    Image.new("RGB", (20, 20), (250, 0, 0)).save(root / "test/good/0.png")
    fits(run(dots_plugin, tmp_path / "runs", *words))
    shown = harness(
        "leaderboard",
        "--store",
        tmp_path / "runs",
        "--plugin",
        dots_plugin,
        "--thresholds",
        "highest",
        "--format",
        "md",
    ).stdout.decode()
    first, second = shown.split("### ")[1:]
    for board in (first, second):
        assert board.count("mean_image") == 1
        assert "nuts changed between runs" in board
