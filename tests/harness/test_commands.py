from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.commands import _SUMMARIES, main
from harness.trials import installation


def call(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_every_command_is_in_the_help_with_its_own_first_line() -> None:
    context = main.make_context("harness", [], resilient_parsing=True)
    listed = main.list_commands(context)
    assert set(listed) <= _SUMMARIES.keys()
    shown = " ".join(call("--help").output.split())
    for name in listed:
        command = main.get_command(context, name)
        assert command is not None
        first_line = (command.help or "").split("\n")[0]
        assert first_line == _SUMMARIES[name], name
        assert "Examples:\n    harness " in call(name, "--help").stdout
        assert f"{name} {first_line}" in shown


def test_an_unknown_command_is_refused_with_a_suggestion() -> None:
    result = call("leaderbord")
    assert result.exit_code == 2
    assert "no command 'leaderbord'. Did you mean 'leaderboard'?" in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["list"], ["leaderboard", "--help"], ["run", "--help"], ["validate", "--help"], ["validate", "image_auroc"], ["compare", "--help"]])  # fmt: skip
def test_what_needs_no_network_loads_no_torch(words: list[str]) -> None:
    script = (
        "import sys; from harness.commands import main\n"
        f"try: main({words!r})\nexcept SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'timm', 'sklearn', 'torchvision', 'matplotlib'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_list_shows_parts_with_options_plugin_and_version(dots_plugin: Path) -> None:
    rows = json.loads(call("list", "models", "--plugin", str(dots_plugin), "--format", "json").stdout)
    mean_image = next(row for row in rows if row["name"] == "mean_image")
    assert mean_image["options"] == {"gain": "1"}
    assert mean_image["plugin"] == str(dots_plugin)
    assert mean_image["summary"] == "Squared distance to the mean normal image."
    assert {row["kind"] for row in rows} == {"model"}


@pytest.mark.parametrize("kind", ["model", "models", "losses", "loss", "datasets", "encoders", "thresholds"])
def test_kinds_are_taken_in_singular_and_plural(kind: str) -> None:
    assert call("list", kind).exit_code == 0


def test_an_unknown_kind_is_refused_with_a_suggestion() -> None:
    result = call("list", "modles")
    assert result.exit_code == 2
    assert "no kind 'modles'. Did you mean 'models'?" in result.stderr


def test_list_plugins_shows_broken_ones_with_their_reason(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import nonexistent_package")
    rows = json.loads(call("list", "plugins", "--plugin", str(file), "--format", "json").stdout)
    broken = next(row for row in rows if row["plugin"] == "broken")
    assert broken["status"] == "broken"
    assert "nonexistent_package" in broken["problems"][0]
    assert {row["status"] for row in rows if row["plugin"] != "broken"} == {"ok"}
    assert "nonexistent_package" in call("list", "--plugin", str(file)).stderr
    for style in ("rich", "md", "csv", "latex"):
        assert "broken" in call("list", "plugins", "--plugin", str(file), "--format", style).stdout


@pytest.mark.parametrize("style", ["rich", "md", "csv", "latex"])
def test_the_list_comes_in_every_format(style: str, dots_plugin: Path) -> None:
    shown = call("list", "--plugin", str(dots_plugin), "--format", style).stdout
    assert "mean_image" in shown.replace("\\_", "_")
    assert "peek" in shown


def test_data_shows_splits_kinds_masks_and_fingerprint(dots_plugin: Path) -> None:
    words = ["data", "--plugin", str(dots_plugin), "--dataset", "dots", "--categories", "large,small"]
    result = call(*words, "--image-size", "16", "--format", "json")
    assert result.exit_code == 0
    large = json.loads(result.stdout)[0]
    assert (large["train"], large["test_good"], large["test_defective"], large["masks"]) == (6, 3, 4, 4)
    assert large["defects"] == {"other": 1, "square": 3}
    assert re.fullmatch(r"[0-9a-f]{16}", large["fingerprint"])
    for style in ("rich", "md", "csv", "latex"):
        shown = call(*words, "--image-size", "16", "--format", style)
        assert large["fingerprint"] in shown.stdout.replace("\n", "")


def test_data_goes_on_past_a_category_that_cannot_be_loaded_and_exits_3(dots_plugin: Path) -> None:
    result = call("data", "--plugin", str(dots_plugin), "--dataset", "dots", "--format", "json", "--image-size", "16")
    assert result.exit_code == 3
    rows = {row["category"]: row for row in json.loads(result.stdout)}
    assert "has no train/good" in rows["broken"]["fault"]
    assert rows["large"]["train"] == 6


SCREW = {"train/good": 130, "test/good": 110, "test/bad": 150}
"""Mean brightness of each folder's images, as in MVTec AD's screw only that the light is other in each."""


def lit(root: Path, light: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for folder, level in light.items():
        (root / folder).mkdir(parents=True)
        for index in range(30):
            pixels = rng.normal(level, 20, (24, 24, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{index}.png")
    return root


def test_data_names_what_is_grave_in_every_format_and_is_strict_where_asked(tmp_path: Path) -> None:
    words = ["data", "--dataset", "folder", "--data-root", str(lit(tmp_path / "parts", SCREW)), "--image-size", "24"]
    for style in ("rich", "md", "latex"):
        shown = call(*words, "--format", style)
        assert shown.exit_code == 0
        assert (
            "parts: GRAVE shortcut. The brightness alone tells normal and defective test images apart" in shown.stdout
        )
    (row,) = json.loads(call(*words, "--format", "json").stdout)
    assert {(one["name"], one["grave"]) for one in row["findings"]} == {("shortcut", True), ("shift", True)}
    assert "shortcut" in call(*words, "--format", "csv").stdout
    assert call(*words, "--strict").exit_code == 3


def test_data_is_strict_about_grave_findings_only(tmp_path: Path) -> None:
    root = lit(tmp_path / "parts", dict.fromkeys(SCREW, 120))
    (root / "test" / "bad" / "notes.txt").touch()
    shown = call("data", "--dataset", "folder", "--data-root", str(root), "--image-size", "24", "--strict")
    assert shown.exit_code == 0
    assert "parts: passed over. 1 file or folder is passed over: 1 x no image by its name (.txt)." in shown.stdout


def test_data_says_which_categories_of_a_published_data_set_are_not_there(tmp_path: Path) -> None:
    for category in ("juice_bottle", "pushpins"):
        lit(tmp_path / "loco" / category, dict.fromkeys(SCREW, 120))
    words = ["data", "--dataset", "mvtec_loco", "--data-root", str(tmp_path / "loco"), "--image-size", "24"]
    missing = "2 of 5 categories are here. Not here: breakfast_box, screw_bag, splicing_connectors."
    assert missing in " ".join(call(*words, "--categories", "pushpins", "--format", "md").stdout.split())
    own = call("data", "--data-root", str(tmp_path / "loco" / "pushpins"), "--image-size", "24", "--format", "md")
    assert "categories are here" not in own.stdout


def test_folders_of_ones_own_are_found_without_a_word_of_how_they_are_laid_out(tmp_path: Path) -> None:
    root = str(lit(tmp_path / "Teile", dict.fromkeys(SCREW, 120)))
    (row,) = json.loads(call("data", "--data-root", root, "--image-size", "24", "--format", "json").stdout)
    assert (row["dataset"], row["category"]) == ("folder", "Teile")
    (cell, *_) = json.loads(call("run", "--no-floors", "--data-root", root, "--dry-run", "--format", "json").stdout)
    assert (cell["dataset"], cell["category"]) == ("folder", "Teile")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no mvtec_ad in" in call("run", "--no-floors", "--data-root", str(empty), "--dry-run").stderr


def test_where_nothing_was_fitted_no_metric_is_blamed(dots_plugin: Path, tmp_path: Path) -> None:
    words = [
        "run",
        "--no-floors",
        "--plugin",
        str(dots_plugin),
        "--dataset",
        "dots",
        "--categories",
        "broken",
        "--models",
        "mean_image",
    ]
    done = call(*words, "--image-size", "16", "--store", str(tmp_path), "--jobs", "1")
    assert done.exit_code == 3
    assert "metric" not in done.output


def test_data_without_a_root_says_where_to_get_the_set_and_where_to_put_it() -> None:
    result = call("data", "--dataset", "mvtec_ad")
    assert result.exit_code == 2
    assert "mvtec" in result.stderr
    assert "train/good" in result.stderr
    assert "is not a folder" in call("data", "--data-root", "/nowhere/at/all").stderr


def test_the_leaderboard_of_an_empty_store_is_a_usage_error(tmp_path: Path) -> None:
    from harness.trials.store import Store

    assert "no store at" in call("leaderboard", "--store", str(tmp_path / "none")).stderr
    Store(tmp_path / "empty", write=True).close()
    result = call("leaderboard", "--store", str(tmp_path / "empty"))
    assert result.exit_code == 2
    assert "is empty" in result.stderr


def test_the_leaderboard_shows_a_store_again_with_other_thresholds_and_pools(tmp_path: Path, dots_plugin: Path) -> None:
    common = ["--plugin", str(dots_plugin), "--store", str(tmp_path)]
    run = [
        "run",
        "--no-floors",
        *common,
        "--dataset",
        "dots",
        "--categories",
        "large",
        "--models",
        "mean_image",
        "--device",
        "cpu",
    ]
    assert call(*run, "--thresholds", "highest").exit_code == 0
    result = call("leaderboard", *common, "--thresholds", "peek", "--pools", "max", "--format", "json")
    (row,) = json.loads(result.stdout)
    assert (row["threshold"], row["pool"], row["oracle"]) == ("peek", "max", True)
    assert "no pool 'mead'" in call("leaderboard", *common, "--pools", "mead").stderr


def test_the_version_says_what_a_bug_report_needs_in_one_line() -> None:
    (line,) = call("--version").stdout.splitlines()
    assert re.fullmatch(
        r"harness \S+( \(commit \w+(-dirty)?\))?, Python 3\.\d+\.\d+, torch \S+, (cpu|cuda|mps) \(.+ cores\)", line
    ), line


def test_the_doctor_names_versions_plugins_and_faults_but_no_folder_and_no_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('not today')")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    rows = {row["what"]: row["found"] for row in json.loads(call("doctor", "--plugin", str(broken), "--format", "json").stdout)}  # fmt: skip
    assert rows["HARNESS_CACHE"] == "set, a path"
    assert rows["OMP_NUM_THREADS"] == "3"
    assert "not today" in rows["plugin broken"]
    assert {"harness", "commit", "python", "system", "device", "torch", "numpy", "plugin autoencoders"} <= rows.keys()
    assert str(tmp_path) not in str(rows)
    assert str(Path.home()) not in str(rows)


def test_the_commit_is_the_one_that_was_installed_or_that_is_checked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def read_text(self, name: str) -> str:
            return '{"url": "https://example.org", "vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef"}}'

    monkeypatch.setattr(installation, "distribution", lambda name: Installed())
    assert installation.commit() == "0123456789"
