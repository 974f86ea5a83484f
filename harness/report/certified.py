"""A certificate as Python has it: made, shown, written, and computed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.certifying.asked import Asked
from harness.certifying.certificate import Certificate, plain, read
from harness.certifying.certify import certified
from harness.certifying.checking import Checked, compared
from harness.deployment.kept import directory_of
from harness.deployment.latency import Place
from harness.files import write_text
from harness.plugin.in_process import registry_with
from harness.report.certificate import screen
from harness.report.certificate_page import certificate_page
from harness.report.progress import tell
from harness.trials.setting_kinds import path_of
from harness.trials.settings import SETTINGS


@dataclass(frozen=True)
class Certified:
    """How far a kept model can be trusted, on photos that it never saw."""

    certificate: Certificate = field(repr=False)
    plugins: tuple[Any, ...] = field(default=(), repr=False)
    store: Path = Path("runs")
    weights_dir: Path | None = None

    def __str__(self) -> str:
        return screen(self.certificate)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    @property
    def found(self) -> Mapping[str, Any]:
        """Every finding as JSON has it: `photos`, `smallest`, `breaks` and `guarantee`."""
        found: Mapping[str, Any] = plain(self.certificate.found)
        return found

    def write(self, file: str | Path) -> Path:
        """Write it as canonical JSON to `file`, and as a page of the same name with .html; the page's path."""
        place = path_of(file, "file")
        write_text(place, self.certificate.to_json())
        page = place.with_suffix(".html")
        write_text(page, certificate_page(self.certificate))
        return page

    def check(self, *, quiet: bool = True) -> Checked:
        """Compute it again, and say where it differs. Raises HarnessError."""
        return compared(self.certificate, self._again(_silent if quiet else tell))

    def _again(self, say: Callable[[str], None]) -> Certificate:
        asked = self.certificate.asked
        registry = registry_with(self.plugins)
        return certified(place_of(asked.model, self.store, self.plugins, self.weights_dir), asked, registry, say)


def certify(
    model: Any,
    images: Any,
    *,
    store: Any = "runs",
    plugins: Any = (),
    weights_dir: Any = None,
    quiet: bool = False,
    **asked: Any,
) -> Certified:
    """How far a kept model can be trusted: what it finds, what breaks it, what its limit promises, and what it costs.

    `images` is a folder of photos, of which those count that the model never saw; `today` may be a folder of normal
    photos taken now. Of a ladder it takes sizes, contrasts, defects, corruptions, most, seed, engines and repetitions.
    Raises UsageError, DataError, ModelError.
    """
    wanted = Asked.of(model, images, **asked)
    given = SETTINGS["plugins"].read(plugins, "plugins")
    weights = None if weights_dir is None else path_of(weights_dir, "weights_dir")
    place = path_of(store, "store")
    found = certified(
        place_of(wanted.model, place, given, weights), wanted, registry_with(given), _silent if quiet else tell
    )
    return Certified(found, tuple(given), place, weights)


def open_certificate(file: Any, **given: Any) -> Certified:
    """One that was written, to be shown or checked. Raises UsageError, DataError."""
    return Certified(read(path_of(file, "file")), **given)


def place_of(model: str, store: Path, plugins: Any, weights_dir: Path | None) -> Place:
    """Where a kept model lies, for this and other processes. Raises UsageError."""
    plugin_files = tuple(one for one in plugins if isinstance(one, Path))
    return Place(directory_of(model, store), plugin_files, weights_dir)


def _silent(line: str) -> None:
    """Where nothing is to be said."""
