"""`harness data --download`: the licence is shown and agreed to, then the images are fetched and put into place."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import click

from harness.api import Archive, Dataset
from harness.downloading import fetch, unpack
from harness.errors import DataError, HarnessError, UnavailableError, UsageError
from harness.trials.datasets import how_to_get


def download(dataset: Dataset, root: Path | None, accepted: bool) -> None:
    """Fetch a data set into a folder. Raises UsageError, UnavailableError, DataError."""
    archive = dataset.archive
    if archive is None:
        raise UsageError(f"data set {dataset.name!r} cannot be downloaded from here: {how_to_get(dataset)}")
    if root is None:
        raise UsageError("--download needs --data-root, the folder that the images go to")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--data-root {str(root)!r} cannot be made: {error.strerror}") from error
    _agree(dataset, archive, accepted)
    name = Path(urlsplit(archive.url).path).name or "archive"
    file = fetch(archive.url, root / name, sha256=archive.sha256, size=archive.size, progress=_Told())
    click.echo(f"{file} is whole; unpacking it", err=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as draft:
        unpack(file, Path(draft))
        _move_up(_place_of(dataset, Path(draft)), root)
    file.unlink()


def _agree(dataset: Dataset, archive: Archive, accepted: bool) -> None:
    size = f", {archive.size / 1e9:.1f} GB" if archive.size else ""
    click.echo(f"{dataset.name}: licence {dataset.licence}, by {dataset.source}", err=True)
    click.echo(f"Homepage: {dataset.homepage}. Source: {archive.url}{size}", err=True)
    if accepted:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"--download asks whether you agree to {dataset.licence}: --accept-licence says so")
    click.confirm("Do you agree to its licence?", abort=True, err=True)


def _place_of(dataset: Dataset, draft: Path) -> Path:
    """Where in an unpacked archive the data set lies: archives wrap it in a folder or two. Raises DataError."""
    place = draft
    while True:
        dataset.root = place
        try:
            if dataset.categories():
                return place
        except HarnessError:
            inside = [one for one in place.iterdir() if one.is_dir()]
            if len(inside) != 1:
                raise DataError(f"the archive holds no {dataset.name}: expected {dataset.layout}") from None
            place = inside[0]


def _move_up(place: Path, root: Path) -> None:
    """Raises UnavailableError where something of this name is there already."""
    for one in sorted(place.iterdir()):
        if (root / one.name).exists():
            raise UnavailableError(f"{str(root / one.name)!r} is there already: move it away, or choose another folder")
    for one in sorted(place.iterdir()):
        shutil.move(one, root / one.name)


class _Told:
    """Says how far a transfer is: on a terminal in one line, elsewhere a line for each tenth."""

    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, here: int, total: int) -> None:
        if not total:
            return
        said = f"{here / 1e6:,.0f} of {total / 1e6:,.0f} MB ({here / total:.0%})"
        if sys.stderr.isatty():
            click.echo(f"\r{said}", err=True, nl=here >= total)
        elif (tenth := 10 * here // total) > self._tenth:
            self._tenth = tenth
            click.echo(said, err=True)
