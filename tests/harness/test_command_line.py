"""What scripts rest on: the names, defaults, ranges and choices of every command, and that examples are taken by it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from harness.commands import _SUMMARIES, main
from harness.commands._examples import EXAMPLES, epilog
from harness.commands._options import store_option

CONTEXT = click.Context(main, info_name="harness")


def command_of(name: str) -> click.Command:
    found = main.get_command(CONTEXT, name)
    assert found is not None, name
    return found


def spelt(parameter: click.Parameter) -> str:
    """One parameter in a line: how it is written, what it takes, what it is without."""
    told = parameter.to_info_dict()
    kind = {"type": told["type"]["param_type"], **_unusual(told["type"])}
    more = {name: told.get(name) for name in ("required", "multiple", "is_flag") if told.get(name)}
    more |= {"nargs": parameter.nargs} if parameter.nargs != 1 else {}
    words = [" ".join([*parameter.opts, *parameter.secondary_opts]), f"for {parameter.name}"]
    words += [f"as {parameter.metavar}"] if parameter.metavar else []
    words += [f"{name} {value}" for name, value in {**kind, **more}.items()]
    if isinstance(parameter.default, str | int | float | Path):
        words += [f"default {str(parameter.default)!r}" + " shown" * bool(getattr(parameter, "show_default", False))]
    return ", ".join(words)


def _unusual(kind: dict[str, Any]) -> dict[str, Any]:
    """What a type takes, where it is not as click has it when nothing is said."""
    usual = {"file_okay": True, "dir_okay": True, "readable": True, "case_sensitive": True}
    others = {name: value for name, value in kind.items() if name not in ("param_type", "name")}
    return {name: value for name, value in others.items() if value != usual.get(name, False) and value is not None}


def test_names_defaults_ranges_and_choices_stay_what_scripts_were_written_for(
    golden: Callable[[str, str], None],
) -> None:
    lines = []
    for name in main.list_commands(CONTEXT):
        lines += [f"harness {name}", *(f"    {spelt(one)}" for one in command_of(name).params), ""]
    golden("command_line.txt", "\n".join(lines))


@pytest.mark.parametrize("name", sorted(_SUMMARIES))
def test_examples_in_the_help_are_taken_by_their_own_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.commands._settings.Settings.of", lambda asked, where: None)
    command = command_of(name)
    shown = epilog(name)
    assert shown is not None
    head, title, *lines = shown.split("\n")
    assert (command.help or "").split("\n")[0] == _SUMMARIES[name], "which --help shows without an import"
    assert (head, title) == ("\b", "Examples:"), "click then leaves the lines as they are"
    assert lines == [f"  {line}" for line in EXAMPLES[name]]
    for line in EXAMPLES[name]:
        program, own, *words = shlex.split(line)
        assert (program, own) == ("harness", name)
        given = command.make_context(name, words, parent=CONTEXT).params
        assert any(value for value in given.values()) or not words


def test_a_command_without_examples_has_no_heading_for_them() -> None:
    assert epilog("nothing") is None


def test_an_option_that_commands_share_is_added_and_leaves_the_command_as_it_is() -> None:
    @click.command()
    @store_option
    def reads(store: object) -> None:
        """Nothing."""

    assert [one.name for one in reads.params] == ["store"]


@pytest.mark.parametrize("words", [["list", "pools"], ["list", "plugins"], ["doctor"], ["validate", "kumar_2025"]])
def test_what_programs_read_has_no_empty_line_at_its_end(words: list[str]) -> None:
    shown = CliRunner().invoke(main, [*words, "--format", "csv"]).stdout
    assert shown.endswith("\n")
    assert not shown.endswith("\n\n")
