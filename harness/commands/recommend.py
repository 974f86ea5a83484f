"""`harness recommend`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.commands._following import warn
from harness.commands._settings import setting_option
from harness.commands._stopping import stoppable
from harness.files import write_text
from harness.recommending.answering import MINUTES, recommended
from harness.recommending.asked import Asked
from harness.report.recommendation import screen
from harness.report.recommendation_page import recommendation_page

_SETTINGS = (
    *("max_false_alarms", "defect_rate", "seeds", "image_size", "weights_dir", "device", "quiet"),
    *("store", "plugins"),
)


def _settings(command: Any) -> Any:
    for name in reversed(_SETTINGS):
        command = setting_option(name)(command)
    return command


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--minutes", default=str(MINUTES), show_default=True, metavar="NUMBER", help="Time to spend on trying.")
@click.option(
    "--out",
    default="recommendation.html",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The page of the answer.",
)
@_settings
def command(folder: Path, minutes: str, out: Path, **given: Any) -> None:
    """Recommend a detector for a folder of photos, say how far to trust it, and keep it.

    FOLDER holds good/ and bad/ (or whatever you call them), MVTec AD's layout, or good photos alone. Detectors are
    tried from cheap to dear; each sets its limit on good photos that it had not seen. The choice follows a written
    rule, and no photo that chooses also reports.
    """
    settings = {name: value for name, value in given.items() if value not in (None, (), False)}
    asked = Asked.of(folder, minutes, "command line", **settings)
    quiet = asked.settings.quiet
    with stoppable("Stopped. What was tried is in the store; the same command goes on from there."):
        answer = recommended(asked, (lambda line: None) if quiet else warn)
    click.echo(screen(answer), nl=False)
    write_text(out, recommendation_page(answer))
    click.echo(f"{'page':<15}{out}")
