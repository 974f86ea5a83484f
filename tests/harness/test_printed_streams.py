"""Which stream a line goes to, told by whose code writes it: of streams made here, without a command."""

from __future__ import annotations

import io
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest

from harness.plugin import printed
from harness.plugin.printed import Apart, _own_descriptor, _plugin_in, kept_apart, on_stderr

Said = list[tuple[str, str]]


def code_of(module: str, source: str = "def call(function, *given): return function(*given)\n") -> Any:
    """Functions as if they lay in a module of this name."""
    found = types.ModuleType(module)
    exec(source, found.__dict__)
    return found


def frames(*modules: str) -> Any:
    """A stack of calls, the innermost first."""
    below = None
    for name in reversed(modules):
        below = types.SimpleNamespace(f_globals={"__name__": name}, f_back=below)
    return below


@pytest.mark.parametrize(
    ("stack", "plugin"),
    [
        ((), None),
        (("harness.trials.worker", "__main__"), None),
        (("harness_plugin_file_mine",), "mine"),
        (("json.encoder", "harness_plugin_file_mine", "harness"), "mine"),
        (("harness_losses.mse", "harness.trials"), "harness_losses"),
        (("click.core", "rich.console", "harness"), None),
        (("numpy", "harness_losses"), "harness_losses"),
        (("harness_losses", "harness_plugin_file_mine"), "harness_losses"),
        (("harness_plugin_file_mine", "harness_losses"), "mine"),
        (("nobodys_package",), None),
    ],
)
def test_the_innermost_plugin_of_the_calls_is_the_one_that_writes(stack: tuple[str, ...], plugin: str | None) -> None:
    assert _plugin_in(frames(*stack)) == plugin


def test_a_package_of_python_or_of_ours_is_no_plugin_even_where_one_is_installed_under_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        printed, "_packages", lambda: frozenset({"json", "harness", "click", "rich", "__main__", "acme"})
    )
    assert _plugin_in(frames("json", "click", "harness", "rich", "__main__")) is None
    assert _plugin_in(frames("json.decoder", "acme.parts")) == "acme"


def test_packages_are_looked_for_by_the_entry_points_of_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def entry_points(group: str) -> list[Any]:
        asked.append(group)
        return [types.SimpleNamespace(value=value) for value in ("acme.parts:plugin", "other:plugin", "plain", "a.b")]

    monkeypatch.setattr(printed.importlib.metadata, "entry_points", entry_points)
    assert printed._packages.__wrapped__() == {"acme", "other", "plain", "a"}
    assert asked == ["anomaly_harness"]


def test_a_line_on_stderr_has_the_name_of_its_plugin_and_nothing_that_a_terminal_obeys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    on_stderr("mine", "a\x1b[31m b")
    assert capsys.readouterr() == ("", "[mine] a\\x1b[31m b\n")


def test_what_the_harness_writes_goes_on_and_its_length_is_told() -> None:
    stream, told = io.StringIO(), Said()
    apart = Apart(stream, lambda *said: told.append(said))
    assert apart.write("a table\n") == 8
    assert (stream.getvalue(), told) == ("a table\n", [])
    assert apart.getvalue() == "a table\n", "all else is the stream's"


def test_lines_of_a_plugin_are_told_when_they_end_and_the_rest_at_the_end() -> None:
    stream, told = io.StringIO(), Said()
    apart = Apart(stream, lambda *said: told.append(said))
    one, two = code_of("harness_plugin_file_one"), code_of("harness_plugin_file_two")
    assert one.call(apart.write, "a\nb\nc") == 5
    assert told == [("one", "a"), ("one", "b")]
    assert one.call(apart.write, "d\n") == 2
    assert told[2:] == [("one", "cd")]
    one.call(apart.write, "e")
    two.call(apart.write, "f")
    apart.finish()
    apart.finish()
    assert sorted(told[3:]) == [("one", "e"), ("two", "f")]
    assert stream.getvalue() == ""


def test_bytes_of_a_plugin_go_to_stderr_and_those_of_the_harness_to_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stderr", theirs)
    apart = Apart(ours)
    plugin = code_of("harness_plugin_file_one", "def buffer_of(stream): return stream.buffer\n")
    assert apart.buffer is ours.buffer
    assert plugin.buffer_of(apart) is theirs.buffer


def test_stdout_is_set_apart_and_is_as_it_was_afterwards_also_where_something_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, told = io.StringIO(), Said()
    monkeypatch.setattr(sys, "stdout", stream)
    real = sys.__stdout__
    plugin = code_of("harness_plugin_file_one")

    def fails() -> None:
        with kept_apart(lambda *said: told.append(said)):
            assert isinstance(sys.stdout, Apart)
            assert sys.__stdout__ is real, "only what leads to descriptor 1 is replaced there"
            print("table")
            plugin.call(sys.stdout.write, "unfinished")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert sys.stdout is stream
    assert stream.getvalue() == "table\n"
    assert told == [("one", "unfinished")]


@contextmanager
def real_stdout(folder: Path) -> Iterator[tuple[TextIO, Callable[[], tuple[str, str]]]]:
    """A stream on descriptor 1, which leads to a file, as descriptor 2 does; and what is in both files.

    It is no fixture, for pytest sets both descriptors between a fixture and its test.
    """
    out, err = folder / "out", folder / "err"
    kept = [os.dup(1), os.dup(2)]
    files = [os.open(file, os.O_WRONLY | os.O_CREAT) for file in (out, err)]
    for at, file in enumerate(files):
        os.dup2(file, at + 1)
    try:
        with (
            open(1, "w", encoding="latin-1", errors="replace", closefd=False) as stream,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "stdout", stream)
            yield stream, lambda: (out.read_text("latin-1"), err.read_text("latin-1"))
    finally:
        for at, file in enumerate(kept):
            os.dup2(file, at + 1)
        for file in (*kept, *files):
            os.close(file)


def test_descriptor_1_leads_to_stderr_meanwhile_and_the_stream_to_the_real_stdout(tmp_path: Path) -> None:
    with real_stdout(tmp_path) as (stream, written):
        terminal = sys.__stdout__
        stream.write("before\n")
        open_before = len([*Path("/proc/self/fd").iterdir()])
        with kept_apart():
            both_apart = isinstance(sys.stdout, Apart) and sys.__stdout__ is sys.stdout
            os.write(1, b"by C code\n")
            print("table ü €")
        assert both_apart
        assert sys.stdout is stream
        assert sys.__stdout__ is terminal
        os.write(1, b"after\n")
        assert written() == ("before\ntable ü ?\nafter\n", "by C code\n")
        assert len([*Path("/proc/self/fd").iterdir()]) == open_before


def test_a_stream_that_leads_elsewhere_or_nowhere_has_no_descriptor_of_its_own(tmp_path: Path) -> None:
    closed = io.StringIO()
    closed.close()
    with real_stdout(tmp_path) as (stream, written):
        for other in (io.StringIO(), closed, types.SimpleNamespace(), types.SimpleNamespace(fileno=lambda: 2)):
            assert _own_descriptor(other) is None  # type: ignore[arg-type]
        os.write(1, b"still here")
        assert written() == ("still here", "")
        own = _own_descriptor(stream)
        assert own is not None
        try:
            assert (own.encoding, own.errors, own.line_buffering) == ("latin-1", "replace", False)
        finally:
            own.close()
