"""`harness certify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.certifying.asked import CONTRASTS, MOST, SIZES, Asked
from harness.certifying.certificate import read
from harness.certifying.certify import certified
from harness.certifying.checking import compared
from harness.commands._following import warn
from harness.commands._options import plugin_option, store_option
from harness.commands._stopping import stoppable
from harness.errors import UsageError
from harness.plugin.registry import Registry
from harness.printable import command as shell_command
from harness.report.certificate import check_lines, screen
from harness.report.certified import Certified, place_of

_DIFFERS = 1
_SIZES, _CONTRASTS = (",".join(f"{one:g}" for one in values) for values in (SIZES, CONTRASTS))


@click.command()
@click.argument("model", required=False)
@click.option("--images", help="Folder of photos as `recommend` takes it; those that the model knows are left out.")
@click.option("--today", help="Folder of good photos taken now, to compare with those of the calibration.")
@click.option("--sizes", help=f"Of painted defects, as shares of the side.  [default: {_SIZES}]")
@click.option("--contrasts", help=f"Of painted defects, from 0 to 1.  [default: {_CONTRASTS}]")
@click.option("--defects", help="Comma list of `list defects`.  [default: all]")
@click.option("--corruptions", help="Comma list of `list corruptions`.  [default: all]")
@click.option("--most", help=f"Photos that are painted on and corrupted, at most.  [default: {MOST}]")
@click.option("--seed", help="Draws photos and places.  [default: 0]")
@click.option("--engines", help="Comma list of torch, onnx, openvino to time; all or none.  [default: all]")
@click.option("--repetitions", help="Runs that are timed.  [default: 100]")
@click.option(
    "--out", default="certificate.json", show_default=True, type=click.Path(path_type=Path), help="Beside it, the page."
)
@click.option("--check", "file", type=click.Path(path_type=Path), help="A certificate to compute again.")
@click.option("--weights-dir", type=click.Path(path_type=Path), help="For a loss that starts from published weights.")
@click.option("--quiet", is_flag=True, help="Tell nothing while it goes on.")
@store_option
@plugin_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Say how far a kept model can be trusted, on photos that it never saw.

    MODEL is a directory that `recommend` or `run --keep-models` wrote, or its name in the store. The certificate has
    the smallest painted defects that are found, what breaks it, what its limit promises, and what it costs, as JSON and
    as a page. With --check it is computed again. Exit code: 0 done or equal, 1 a checked certificate differs.
    """
    how = {name: given[name] for name in ("store", "plugin_files", "weights_dir", "file", "out")}
    say = (lambda line: None) if given["quiet"] else warn
    asked = {name: given[name] for name in _ASKED if given[name] is not None}
    with stoppable("Stopped. Nothing was written."):
        if how["file"] is not None:
            ctx.exit(0 if _check(given["model"], asked, how, say) else _DIFFERS)
        _certify(given["model"], asked, how, say)


_ASKED = (
    *("images", "today", "sizes", "contrasts", "defects", "corruptions", "most", "seed", "engines", "repetitions"),
)


def _certify(model: str | None, asked: dict[str, Any], how: dict[str, Any], say: Any) -> None:
    if model is None or "images" not in asked:
        raise UsageError("expected a model and --images FOLDER, or --check FILE")
    wanted = Asked.of(model, asked.pop("images"), **asked)
    found = certified(_place(wanted.model, how), wanted, Registry.discover(how["plugin_files"]), say)
    page = Certified(found).write(how["out"])
    click.echo(screen(found), nl=False)
    click.echo(f"{'written':<19}{how['out']} and {page}; computed again by:  {_again(how['out'])}")


def _check(model: str | None, asked: dict[str, Any], how: dict[str, Any], say: Any) -> bool:
    """Whether a certificate comes out again; photos and model may lie elsewhere now. Raises HarnessError."""
    images, today = (asked.pop(name, None) for name in ("images", "today"))
    if asked:
        names = ", ".join(f"--{name}" for name in asked)
        raise UsageError(f"{names}: a certificate is computed again as it was, so --check takes no other settings")
    then = read(how["file"])
    was = then.asked
    moved = {"model": model or was.model, "images": images or was.images, "today": today or was.today}
    wanted = Asked.of(**{**vars(was), **moved, "engines": ()})
    now = certified(_place(wanted.model, how), wanted, Registry.discover(how["plugin_files"]), say)
    checked = compared(then, now)
    for line in check_lines(checked):
        click.echo(line)
    return checked.equal


def _place(model: str, how: dict[str, Any]) -> Any:
    return place_of(model, how["store"], how["plugin_files"], how["weights_dir"])


def _again(out: Path) -> str:
    return shell_command("harness", "certify", "--check", out)
