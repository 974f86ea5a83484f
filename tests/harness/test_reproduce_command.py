"""`harness reproduce`: a stored trial, fitted again."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import warm_python
from click.testing import CliRunner, Result

from harness.commands import main
from harness.trials import hardware, provenance
from harness.trials.database import FILE_NAME
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Outcome
from harness.verdicts.reproduction import changes

LEARNED = "np.random.default_rng(run.seed).normal(0, 0.01)"


class Bench:
    """A plugin that can be edited, and a store of trials that were fitted with it."""

    def __init__(self, folder: Path, plugin: Path) -> None:
        self.store, self.plugin, self.diary = folder / "runs", folder / "editable.py", folder / "diary"
        self.source = plugin.read_text()
        self.plugin.write_text(self.source)

    def run(self, *more: str) -> Result:
        words = [
            "run",
            "--no-floors",
            "--plugin",
            str(self.plugin),
            "--store",
            str(self.store),
            "--device",
            "cpu",
            "--jobs",
            "1",
        ]
        words += ["--dataset", "dots", "--categories", "large", "--models", f"trained[diary={self.diary}]"]
        words += ["--encoders", "plain", "--losses", "absolute", "--thresholds", "highest"]
        return CliRunner().invoke(main, [*words, *more])

    def reproduce(self, key: str | None = None, *more: str) -> Result:
        key = key or self.trials()[0].id
        words = ["reproduce", key, "--plugin", str(self.plugin), "--store", str(self.store), "--device", "cpu"]
        return CliRunner().invoke(main, [*words, *more])

    def found(self, key: str | None = None, *more: str, code: int) -> dict[str, Any]:
        """What it says as JSON, ending with this exit code."""
        result = self.reproduce(key, "--format", "json", *more)
        assert result.exit_code == code, result.output
        (row,) = json.loads(result.stdout)
        return row

    def edit(self, before: str, after: str) -> None:
        assert before in self.source
        self.plugin.write_text(self.source.replace(before, after))

    def trials(self) -> list[Outcome]:
        with Store(self.store) as opened:
            return list(opened.outcomes())

    def fits(self) -> int:
        return len(self.diary.read_text().splitlines()) if self.diary.exists() else 0


@pytest.fixture
def bench(tmp_path: Path, dots_plugin: Path) -> Bench:
    made = Bench(tmp_path, dots_plugin)
    assert made.run().exit_code == 0
    return made


def test_a_trial_that_is_fitted_again_has_equal_scores_and_the_store_stays_as_it_is(bench: Bench) -> None:
    before = (bench.store / FILE_NAME).read_bytes()
    said = bench.found(code=0)
    assert (said["result"], said["reason"]) == ("equal", "")
    assert said["trial"] == bench.trials()[0].id
    assert {one["pool"] for one in said["differences"]} == {"max", "mean", "topk"}
    assert all(one["largest"] == 0 and one["decisions"] == 0 and one["images"] == 7 for one in said["differences"])
    assert said["changes"] == []
    assert bench.fits() == 2, "it was indeed fitted"
    assert (bench.store / FILE_NAME).read_bytes() == before


def test_the_beginning_of_an_id_is_enough_in_either_case(bench: Bench) -> None:
    assert bench.found(bench.trials()[0].id[:5].upper(), code=0)["result"] == "equal"


def test_a_small_difference_is_within_tolerance_and_its_size_is_told(bench: Bench) -> None:
    bench.edit(LEARNED, f"{LEARNED} + 1e-6")
    said = bench.found(code=0)
    assert said["result"] == "within tolerance"
    assert all(0 < one["largest"] < 1e-4 and 0 < one["share"] < 1e-3 for one in said["differences"])
    assert [one["auroc"] == one["auroc_again"] for one in said["differences"]] == [True] * 3
    strict = bench.found(None, "--tolerance", "0", code=3)
    assert strict["result"] == "different"


@pytest.mark.parametrize("images", [6, 7], ids=["calibration", "test"])
def test_one_bit_in_one_set_of_images_is_no_longer_equal(bench: Bench, images: int) -> None:
    whole = "((images.pixels / 255 - self.centre) ** 2).mean(axis=3)\n        return Scores(maps=np.full_like"
    bench.edit(whole, whole.replace("mean(axis=3)", f"mean(axis=3) * (1 + 3e-16 * (len(images) == {images}))"))
    assert bench.found(code=0)["result"] == "within tolerance"


def test_a_large_difference_is_told_with_its_decisions(bench: Bench) -> None:
    bench.edit(LEARNED, f"{LEARNED} + 0.5")
    said = bench.found(None, "--thresholds", "highest", code=3)
    assert said["result"] == "different"
    by_pool = {one["pool"]: one for one in said["differences"]}
    assert by_pool["mean"]["threshold"] == "highest"
    assert by_pool["mean"]["largest"] == pytest.approx(0.25, abs=0.02)
    assert by_pool["mean"]["decisions"] > 0
    assert by_pool["mean"]["auroc"] == 1.0
    assert by_pool["mean"]["auroc_again"] < 1.0


def test_a_changed_plugin_is_named_with_both_versions(bench: Bench) -> None:
    bench.edit(LEARNED, f"{LEARNED} + 0.5")
    changed = {change["what"]: change for change in bench.found(code=3)["changes"]}
    model = changed["plugin of the model"]
    assert model["stored"] == bench.trials()[0].record.plugins["model"]
    assert model["stored"] != model["now"]
    assert model["now"].startswith(f"{bench.plugin.name} ")


@pytest.mark.parametrize(
    ("aspect", "key", "what"),
    [
        ("versions", "numpy", "version of numpy"),
        ("machine", "cpu", "machine's cpu"),
        ("machine", "device", "machine's device"),
        ("code", "harness", "code of harness"),
    ],
)
def test_changed_versions_machines_and_code_are_named_even_where_scores_are_equal(
    bench: Bench, aspect: str, key: str, what: str
) -> None:
    def older(record: Record) -> Record:
        return replace(record, **{aspect: {**getattr(record, aspect), key: "another"}})

    with Store(bench.store, write=True) as opened:
        assert opened.amend(bench.trials()[0].id, older)
    said = bench.found(code=0)
    assert said["result"] == "equal"
    assert [(change["what"], change["stored"]) for change in said["changes"]] == [(what, "another")]
    assert said["changes"][0]["now"]


def test_threads_are_those_of_the_record(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    limited_to = hardware.limited_to
    monkeypatch.setattr(hardware, "limited_to", lambda count: asked.append(count) or limited_to(count))
    with Store(bench.store, write=True) as opened:
        opened.amend(bench.trials()[0].id, lambda record: replace(record, threads=3))
    bench.reproduce()
    assert asked == [3]
    assert [change.what for change in changes(Record(threads=3), Record(threads=2))] == ["threads"]


def test_what_an_older_record_does_not_remember_is_not_called_changed(bench: Bench) -> None:
    with Store(bench.store, write=True) as opened:
        opened.amend(bench.trials()[0].id, lambda record: Record(default_pool=record.default_pool))
    assert bench.found(code=0)["changes"] == []


def test_changed_data_is_impossible_to_compare_and_nothing_is_fitted(bench: Bench) -> None:
    bench.edit("test[masks.astype(bool)] = 250", "test[masks.astype(bool)] = 251")
    said = bench.found(code=3)
    assert (said["result"], said["reason"]) == ("impossible", "its data has changed")
    assert said["changes"][0]["what"] == "data"
    assert said["changes"][0]["stored"] == bench.trials()[0].fingerprint
    assert said["differences"] == []
    assert bench.fits() == 1


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("assert encoder is not None", "raise ValueError('no luck')", "ValueError: no luck (editable.py:"),
        ('if category == "broken":', "if True:", "has no train/good"),
        (
            'uses = frozenset({"encoder", "loss", "training", "pool"})',
            "uses = frozenset({'training'})",
            "gave no scores",
        ),
    ],
)
def test_what_cannot_be_fitted_any_more_is_impossible_with_its_reason(
    bench: Bench, before: str, after: str, reason: str
) -> None:
    bench.edit(before, after)
    said = bench.found(code=3)
    assert said["result"] == "impossible"
    assert reason in said["reason"]
    assert any(change["what"].startswith("plugin of the") for change in said["changes"])


def test_a_part_whose_plugin_is_not_here_any_more_is_named_with_the_way_to_get_it(bench: Bench) -> None:
    bench.edit('name = "trained"', 'name = "retrained"')
    result = bench.reproduce(None, "--format", "json")
    assert result.exit_code == 2
    assert "model 'trained' of this trial came from" in result.stderr
    assert "which is not here: install it, or give --plugin FILE.py" in result.stderr


def test_scores_of_another_kind_cannot_be_compared(bench: Bench) -> None:
    bench.edit(
        "return Scores(maps=np.full_like", "return Scores(images=maps.mean(axis=(1, 2))) or Scores(maps=np.full_like"
    )
    said = bench.found(code=3)
    assert (said["result"], said["reason"]) == ("impossible", "its model gives scores of another kind")


def test_a_trial_that_has_no_scores_cannot_be_reproduced(bench: Bench) -> None:
    bench.run("--models", "trained[fail=nan]", "--seeds", "1")
    failed = next(outcome for outcome in bench.trials() if outcome.status == "error")
    said = bench.found(failed.id, code=3)
    assert said["result"] == "impossible"
    assert said["reason"] == "it has no scores, but is stored as error: loss is nan in epoch 2 of 2"


def test_an_unknown_key_is_answered_with_near_ones(bench: Bench) -> None:
    key = bench.trials()[0].id
    result = bench.reproduce(key[:-1] + "x")
    assert result.exit_code == 2
    assert f"Did you mean {key} (large · trained" in result.stderr
    result = bench.reproduce("bottle")
    assert result.exit_code == 2
    assert f"no trial 'bottle' in '{bench.store}'. Did you mean {key}" in result.stderr


def test_a_key_that_several_trials_begin_with_is_answered_with_them(bench: Bench) -> None:
    bench.run("--seeds", ",".join(map(str, range(20))))
    ids = [outcome.id for outcome in bench.trials()]
    digit = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    result = bench.reproduce(digit)
    assert result.exit_code == 2
    several = [one for one in ids if one[0] == digit]
    assert f"{len(several)} trials begin with {digit!r}: expected more digits, as of " in result.stderr
    assert sorted(several)[0] in result.stderr


def test_a_missing_store_root_or_plugin_is_one_clear_line(bench: Bench, tmp_path: Path) -> None:
    nowhere = CliRunner().invoke(main, ["reproduce", "abc", "--store", str(tmp_path / "nowhere")])
    assert (nowhere.exit_code, "no store at" in nowhere.stderr) == (2, True)
    plain = CliRunner().invoke(main, ["reproduce", bench.trials()[0].id, "--store", str(bench.store)])
    assert plain.exit_code == 2
    assert re.search(
        r"dataset 'dots' of this trial came from .*\.py \w+, which is not here: install it, or", plain.stderr
    )
    parted = bench.plugin.with_name("parted.py")  # all but the model
    parted.write_text(bench.plugin.read_text().replace('name = "trained"', 'name = "other"'))
    words = ["reproduce", bench.trials()[0].id, "--store", str(bench.store), "--plugin", str(parted)]
    partly = CliRunner().invoke(main, words)
    assert (partly.exit_code, "impossible" in partly.output) == (2, False)
    assert "of this trial came from" in partly.stderr
    with Store(bench.store, write=True) as opened:
        (found,) = opened.outcomes()
        rooted = Outcome(found.trial._replace(dataset="mvtec_ad"), "done", "", "f00d", found.evidence, found.record)
        opened.put(rooted)
    result = bench.reproduce(rooted.id)
    assert (result.exit_code, "needs --data-root" in result.stderr) == (2, True)


def test_it_reads_well_in_every_format(bench: Bench) -> None:
    key = bench.trials()[0].id
    bench.edit(LEARNED, f"{LEARNED} + 1e-6")
    shown = bench.reproduce(None, "--format", "md").stdout
    assert f"({key}) is within tolerance, no score further off than 0.001 of their range" in shown
    assert "| 0 of 7 |" in " ".join(shown.split())
    assert "### What has changed since" in shown
    assert "plugin of the model" in shown
    terminal = " ".join(bench.reproduce().stdout.split())
    assert "is within tolerance" in terminal
    assert "plugin of the model" in terminal
    (row,) = csv.DictReader(io.StringIO(bench.reproduce(None, "--format", "csv").stdout))
    assert (row["trial"], row["result"]) == (key, "within tolerance")
    assert len(json.loads(row["differences"])) == 3
    bench.edit(LEARNED, LEARNED)
    assert "Nothing that its record remembers" in bench.reproduce(None, "--format", "md").stdout
    bench.edit("test[masks.astype(bool)] = 250", "test[masks.astype(bool)] = 251")
    assert f"({key}) is impossible: its data has changed" in bench.reproduce(None, "--format", "md").stdout


@pytest.mark.slow
def test_a_float32_fit_of_a_network_that_ran_beside_another_is_made_again_bit_for_bit(tmp_path: Path) -> None:
    words = ["--store", str(tmp_path / "runs"), "--device", "cpu"]
    crossed = ["--dataset", "synthetic[n_train=8]", "--categories", "bottle", "--models", "cae", "--encoders", "conv"]
    crossed += ["--losses", "ssim", "--seeds", "0,1", "--image-size", "64", "--epochs", "1", "--batch-size", "8"]

    def harness(*arguments: str) -> str:
        done = warm_python.run([sys.executable, "-m", "harness", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    harness("run", "--no-floors", *words, *crossed, "--precision", "fp32", "--jobs", "2")
    with Store(tmp_path / "runs") as opened:
        key = opened.ids()[0]
    (row,) = json.loads(harness("reproduce", key, *words, "--format", "json"))
    assert row["result"] == "equal"


def test_the_hash_of_code_follows_every_source_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "part.py").write_text("a = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "some_package", __import__("some_package"))

    def digest() -> str:
        provenance.code_in.cache_clear()
        return provenance.code_of("some_package")

    first = digest()
    assert len(first) == 8
    (package / "notes.txt").write_text("no code")
    assert digest() == first
    (package / "inner" / "part.py").write_text("a = 2\n")
    second = digest()
    assert second != first
    (package / "inner" / "part.py").rename(package / "inner" / "parts.py")
    assert digest() not in (first, second)
