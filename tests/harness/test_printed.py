"""What plugins print goes to stderr with their name, so that a table on stdout stays one that programs read."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm_python
from click.testing import CliRunner

from harness.commands import main
from harness.plugin.printed import Apart, _own_descriptor, _packages, kept_apart
from harness.plugin.registry import Registry

LOUD = """print("by print", run.seed)
        import os, sys, subprocess
        sys.stdout.write("by write, ")
        sys.stdout.write("in pieces\\n")
        sys.stdout.buffer.write(b"by bytes\\n")
        os.write(1, b"by descriptor\\n")
        subprocess.run(["echo", "by a child"])
        assert encoder is not None"""


@pytest.fixture
def loud(tmp_path: Path, dots_plugin: Path) -> Path:
    """A plugin that talks while it is imported, asked for its parts, fits, scores and sets a limit."""
    file = tmp_path / "loud.py"
    source = dots_plugin.read_text().replace("assert encoder is not None", LOUD)
    assert "by descriptor" in source
    file.write_text(f"{source}\nprint('while imported')\n")
    return file


@pytest.mark.parametrize("style", ["json", "csv"])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_loud_plugin_leaves_stdout_to_the_table(loud: Path, tmp_path: Path, jobs: str, style: str) -> None:
    words = f"--dataset dots --categories large --models trained --encoders plain --losses absolute --jobs {jobs}"
    words += f" --seeds 0,1 --thresholds highest --device cpu --quiet --format {style} --store {tmp_path / 'runs'}"
    done = warm_python.run(
        [sys.executable, "-m", "harness", "run", "--no-floors", "--plugin", str(loud), *words.split()],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout) if style == "json" else done.stdout.splitlines()[1:]
    assert len(rows) == 2
    lines = done.stderr.splitlines()
    for said in ("while imported", "by print 0", "by print 1", "by write, in pieces"):
        assert f"[loud] {said}" in done.stderr, "a second process may print on the same line"
    for said in ("by bytes", "by descriptor", "by a child"):
        assert said in lines, done.stderr


def test_every_other_command_is_kept_clean_as_well(loud: Path) -> None:
    shown = CliRunner().invoke(main, ["list", "models", "--plugin", str(loud), "--format", "json"])
    assert json.loads(shown.stdout)
    assert "[loud] while imported" in shown.stderr.splitlines()


def test_what_the_harness_says_goes_on_and_the_stream_is_as_it_was_afterwards() -> None:
    before = sys.stdout
    with kept_apart():
        assert sys.stdout.encoding == before.encoding
        print("said by this test, which is no plugin")
    assert sys.stdout is before


def test_descriptor_1_leads_to_stderr_meanwhile_and_to_stdout_again_afterwards() -> None:
    script = (
        "import os, subprocess\nfrom harness.plugin.printed import kept_apart\nsay = lambda text: os.write(1, text)\n"
        "say(b'before\\n')\nwith kept_apart():\n    say(b'aside\\n')\n    print('table')\nsay(b'after\\n')\n"
        "subprocess.run(['echo', 'by a child'], check=True)\n"
    )
    done = warm_python.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["before", "table", "after", "by a child"]
    assert done.stderr.splitlines() == ["aside"]


def test_lines_are_told_apart_by_plugin_and_an_unfinished_one_is_told_at_the_end(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    stream = io.StringIO()
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("def say(stream, text): stream.write(text)\n")
    Registry.discover([tmp_path / "one.py", tmp_path / "two.py"])
    apart = Apart(stream, lambda plugin, line: told.append((plugin, line)))
    one, two = (sys.modules[f"harness_plugin_file_{name}"] for name in ("one", "two"))
    one.say(apart, "a")
    two.say(apart, "x\ny")
    one.say(apart, "b\n")
    apart.write("table\n")
    assert told == [("two", "x"), ("one", "ab")]
    apart.finish()
    assert told[2:] == [("two", "y")]
    assert stream.getvalue() == "table\n"


def test_a_reader_that_goes_away_is_no_traceback(loud: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "harness", "list", "--plugin", str(loud), "--format", "csv"]
    done = warm_python.run(words, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("leaving", ["sys.exit(0)", "raise GeneratorExit", "raise BaseException('odd')"])
def test_a_plugin_that_leaves_costs_its_own_trial(dots_plugin: Path, tmp_path: Path, leaving: str, jobs: str) -> None:
    file = tmp_path / "leaving.py"
    leave = f"import sys\n        if run.seed == 0: {leaving}\n        assert encoder is not None"
    file.write_text(dots_plugin.read_text().replace("assert encoder is not None", leave))
    words = "--dataset dots --categories large --models trained --encoders plain --losses absolute --seeds 0,1"
    words += f" --thresholds highest --device cpu --jobs {jobs} --format json --store {tmp_path / 'runs'}"
    done = CliRunner().invoke(main, ["run", "--no-floors", "--plugin", str(file), *words.split()])
    assert done.exit_code == 3, done.output
    rows = {row["seed"]: row for row in json.loads(done.stdout)}
    assert (rows[0]["status"], rows[1]["status"]) == ("error", "done")
    assert "leaving.py:" in rows[0]["reason"]


def test_what_is_written_to_descriptor_1_goes_to_stderr_in_this_process_too(capfd: pytest.CaptureFixture[str]) -> None:
    with open(1, "w", closefd=False) as stream:
        own = _own_descriptor(stream)
        assert own is not None
        try:
            os.write(1, b"aside")
            own.write("table")
            own.flush()
        finally:
            os.dup2(own.fileno(), 1)
            own.close()
    assert capfd.readouterr() == ("table", "aside")
    with open(2, "w", closefd=False) as other:
        assert _own_descriptor(other) is None
    assert _own_descriptor(io.StringIO()) is None
    assert {"harness_losses", "harness_ray"} <= _packages()
    assert not any("." in name or ":" in name for name in _packages())
