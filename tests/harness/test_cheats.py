"""The conformance kit finds each way to cheat that was tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.api import Model, Threshold
from harness.plugin.registry import Registry
from harness.testing import attempt, checks_for
from harness.trials.surroundings import put_back

CHEATS = Path(__file__).parents[1] / "plugin_files" / "cheats.py"

SHARED = ("errors", "deaf", "dtype", "threads", "warnings", "locale", "folder", "environment", "functions", "figures")
SHARED += ("ids", "digests", "kinds", "mask", "limits")
WAYS = [
    ("frames", "finds_no_labels_around_it"),
    ("memory", "finds_no_labels_around_it"),
    ("files", "finds_no_labels_around_it"),
    ("labels", "score_does_not_depend_on_labels"),
    ("masks", "score_does_not_depend_on_labels"),
    ("paths", "score_does_not_depend_on_labels"),
    ("order", "score_does_not_depend_on_batch"),
    ("calls", "score_does_not_depend_on_batch"),
    ("clips", "leaves_images_unchanged"),
    ("remembers", "refit_forgets"),
    *((way, "leaves_the_process_as_it_was") for way in SHARED),
    ("leaves", "gives_one_finite_score_an_image"),
    ("ends", "gives_one_finite_score_an_image"),
    ("nan", "reports_finite_losses"),
]
"""How a model cheats, and the check that finds it."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover([CHEATS])


@pytest.fixture(autouse=True)
def _harmless() -> Iterator[None]:
    with put_back():
        yield


@pytest.mark.parametrize(("way", "check"), WAYS)
def test_a_model_that_cheats_is_found(registry: Registry, way: str, check: str) -> None:
    model = registry.make(Model, f"cheat[way={way}]")
    by_name = {one.__name__: one for one in checks_for(model)}
    assert attempt(by_name[f"check_{check}"], model).status == "failed"


def test_a_model_that_does_not_cheat_passes_all(registry: Registry) -> None:
    model = registry.make(Model, "cheat")
    model_checks = [one for one in checks_for(model) if one.__module__ == "harness.testing.honesty"]
    assert [attempt(check, model).reason for check in model_checks] == ["", "", ""]


def test_each_way_of_the_plugin_is_tried_here(registry: Registry) -> None:
    (plugin,) = registry.file_modules.values()
    assert {way for way, _ in WAYS} >= {*plugin.FINDS, *plugin.HARMS}


def test_an_oracle_in_disguise_is_found(registry: Registry) -> None:
    threshold = registry.make(Threshold, "disguised")
    (check,) = (one for one in checks_for(threshold) if one.__name__ == "check_sees_labels_only_if_oracle")
    assert "it has fit_oracle" in attempt(check, threshold).reason


def test_an_oracle_that_denies_it_is_not_even_offered(registry: Registry) -> None:
    assert "denying" not in registry.offers(Threshold)
    assert "an OracleThreshold that says it is no oracle" in str([one.problems for one in registry.broken])
