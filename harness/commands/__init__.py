"""The command line. One file a subcommand, imported when it is called; the only room that prints or exits."""

from __future__ import annotations

import errno
import importlib
import pkgutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from harness.commands._examples import epilog
from harness.errors import HarnessError, unknown_name
from harness.printable import printable


class Commands(click.Group):
    """Finds a subcommand in the file of its name, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        files = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
        return sorted(name.replace("_", "-") for name in files if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.epilog = epilog(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            ctx.fail(unknown_name("command", args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _SUMMARIES.get(name, "")) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *args: Any, **how: Any) -> Any:
        """As click has it; a thread that a plugin has left running does not hold up the end of the program."""
        before = threading.enumerate()
        try:
            return super().main(*args, **how)
        except SystemExit as end:
            if sys.stdout is sys.__stdout__:  # and not within a test or another program
                from harness.commands._leaving import leave

                leave(before, end.code)
            raise

    def invoke(self, ctx: click.Context) -> object:
        from harness.commands._left_out import said_and_counted
        from harness.plugin.printed import kept_apart

        try:
            with kept_apart(), said_and_counted(ctx):
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            ctx.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))
        except (HarnessError, OSError) as error:  # OSError: too long a name, no right to read, wherever that shows
            if isinstance(error, OSError) and error.errno == errno.EPIPE:  # nobody reads on, which click knows of
                raise
            click.echo(f"harness: {printable(str(error))}", err=True)
            ctx.exit(2)


_SUMMARIES = {
    "certify": "Say how far a kept model can be trusted, on photos that it never saw.",
    "check": "Put a part through the conformance kit.",
    "compare": "Set our numbers beside published ones: equivalent, different or inconclusive, and against chance.",
    "conventions": "Judge the same fits under the conventions that papers seldom state, and say what moves.",
    "data": "Show what a data set holds, and what is odd about its images.",
    "doctor": "Show what a bug report needs: versions, machine, packages, variables and plugins.",
    "export": "Write verdicts with their provenance as JSON lines.",
    "latency": "Measure how long a kept model takes to decide, engine by engine.",
    "leaderboard": "Show the ranked results of a store.",
    "list": "Show the parts that can be crossed, and who offers them.",
    "merge": "Bring the trials of several stores into one.",
    "new-plugin": "Write a working plugin package to start from.",
    "pack": "Write a kept model as one graph, from pixels to decision, for another runtime.",
    "predict": "Judge images with a kept model: score, limit and decision of each.",
    "recommend": "Recommend a detector for a folder of photos, say how far to trust it, and keep it.",
    "report": "Write what a store holds as one HTML file, or as markdown for a pull request.",
    "reproduce": "Fit a stored trial again; say whether its scores are equal, and what has changed since.",
    "run": "Cross models, encoders, losses, categories and seeds; fit what is missing; show the leaderboard.",
    "site": "Write static pages of a folder of exports: an index, and a page for each data set.",
    "submit-maps": "Write maps of test images without public labels, in the form that a benchmark's server accepts.",
    "validate": "Recompute what a published table claims.",
    "verify": "Check an export, fit some of its trials again, and sign what came of it.",
}
"""Said here so that `--help` needs no import; a test keeps it equal to each command's own first line."""


def _show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from harness.trials.installation import in_one_line

        click.echo(f"harness {in_one_line()}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show version, commit, Python, torch and device, and end.",
)
def main() -> None:
    """See which anomaly detector to trust, how far, and why."""
    if hasattr(sys.stdout, "reconfigure"):  # a terminal that cannot show a character gets a question mark for it
        sys.stdout.reconfigure(errors="replace")


def run_module() -> None:
    """What `python -m harness` does."""
    sys.argv[0] = "harness"
    main(prog_name="harness")
