"""What commands say of what they did and how they end; what they ask the library for is answered here without a fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.certifying.asked import Asked
from harness.certifying.checking import Checked
from harness.commands import _SUMMARIES, Commands, certify, conventions, main, recommend, reproduce, run, site, verify
from harness.errors import UsageError
from harness.trials.record import Record
from harness.trials.saved_model import ModelFolder
from harness.trials.schedule import RunSummary
from harness.trials.store import Store
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verification.notes import Refit

TRIAL = Trial("dots", "bottle", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def outcome(status: Any = "done", reason: str = "", record: Record | None = None, **changes: Any) -> Outcome:
    scores = np.array([0.1, 0.6, 0.7, 0.4])
    evidence = Evidence({"mean": scores[:1]}, {"mean": scores}, ("good", "good", "crack", "hole"), tuple("abcd"))
    made = record or Record(default_pool="mean", fit_seconds=2.0)
    return Outcome(TRIAL._replace(**changes), status, reason, "f00d", evidence if status == "done" else None, made)


def remembered(seen: list[Any], one: Any) -> Any:
    seen.append(one)
    return one


# how any command ends


def ending(error: BaseException | None, *, code: int | None = None) -> Result:
    """How a command of a group ends in which this happens."""

    @click.command("now")
    @click.pass_context
    def now(ctx: click.Context) -> None:
        if error is not None:
            raise error
        if code is not None:
            ctx.exit(code)

    class One(Commands):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return ["now"]

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return now

    return CliRunner().invoke(One("harness"), ["now"])


def test_what_a_person_did_is_one_line_and_exit_code_2() -> None:
    for error in (UsageError("no\nstore"), OSError(36, "name too long"), PermissionError(13, "denied")):
        found = ending(error)
        assert found.exit_code == 2
        assert found.stderr == f"harness: {error}\n".replace("no\nstore", "no\\nstore")
    assert ending(None).exit_code == 0
    assert ending(None, code=3).exit_code == 3


def test_a_stop_ends_with_128_and_the_signal_and_a_fault_of_ours_with_its_traceback() -> None:
    assert ending(KeyboardInterrupt(15)).exit_code == 143
    assert ending(KeyboardInterrupt()).exit_code == 130
    assert isinstance(ending(ZeroDivisionError()).exception, ZeroDivisionError)
    broken = ending(BrokenPipeError(32, "nobody reads"))
    assert (broken.exit_code, broken.stderr) == (1, ""), "click ends quietly where nobody reads on"


def test_the_order_of_commands_is_that_of_the_alphabet_and_parts_of_commands_are_none() -> None:
    listed = main.list_commands(click.Context(main))
    assert listed == sorted(_SUMMARIES)
    assert "new-plugin" in listed
    assert main.get_command(click.Context(main), "_options") is None


# run


def test_a_run_says_how_many_trials_were_fitted_and_each_reason_once(capsys: pytest.CaptureFixture[str]) -> None:
    lost = [outcome("error", "out of\nmemory", seed=seed) for seed in (0, 1, 2)] + [outcome("skipped", "no masks")]
    summary = RunSummary(fitted=2, found=1, unfinished=lost, apart=[(TRIAL, 0.01234)])
    run._summarise(summary, Path("my runs"), say_reasons=True)
    assert capsys.readouterr().err.splitlines() == [
        f"error: {TRIAL.title} and 2 more: out of\\nmemory",
        f"skipped: {TRIAL.title}: no masks",
        f"{TRIAL.title} was fitted again for its pools, and its other scores came out up to 0.012 of the largest apart "
        "from the stored ones, which stay",
        "2 fitted, 1 already there, 4 skipped or failed. Stored in my runs; "
        "`harness leaderboard --store 'my runs'` shows it again.",
    ]
    run._summarise(RunSummary(fitted=1, unfinished=lost[-1:]), Path("runs"), say_reasons=False)
    assert "no masks" not in capsys.readouterr().err, "tables for people have it"


def test_a_run_says_where_the_data_set_s_own_images_have_set_the_limits(capsys: pytest.CaptureFixture[str]) -> None:
    def calibrated(on: str, count: int | None) -> Outcome:
        return outcome(record=Record(calibrated_on=on, n_calibration=count))

    run._tell_of_limits([calibrated("validation", 30), calibrated("holdout", 7), calibrated("validation", 12)])
    assert capsys.readouterr().err == (
        "Limits are set on the 12 or 30 normal images that the data set keeps for validation, which were not fitted; "
        "--holdout takes some of the training images instead\n"
    )
    run._tell_of_limits([calibrated("holdout", 7)])
    assert capsys.readouterr().err == ""


def test_a_run_says_which_models_were_kept_and_how_one_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    doubts = {"a": "the limit says little", "b": "", "c": "the limit says little"}
    monkeypatch.setattr(run, "read", lambda found: SimpleNamespace(doubt=doubts[found.name]))
    monkeypatch.chdir(tmp_path)
    keep: Any = SimpleNamespace(of=lambda trial_id: tmp_path / "m" / trial_id if trial_id in doubts else None)
    summary = RunSummary(ids=["a", "b", "c", "lost"], unkept=[(TRIAL, "disk\nfull")])
    run._tell_of_models(summary, keep, [Path("my plug.py"), Path("b.py")])
    assert capsys.readouterr().err.splitlines() == [
        f"no model of {TRIAL.title}: disk\\nfull",
        "harness: the limit says little",
        "3 models kept. Judge images with one of them:",
        "  harness predict m/b FOLDER_OF_IMAGES --plugin 'my plug.py' --plugin b.py",
    ]
    monkeypatch.chdir("/")
    run._tell_of_models(RunSummary(ids=["b"]), keep, [])
    assert capsys.readouterr().err.splitlines() == [
        "1 model kept. Judge images with one of them:",
        f"  harness predict {str(tmp_path / 'm' / 'b').removeprefix('/')} FOLDER_OF_IMAGES",
    ]
    run._tell_of_models(RunSummary(), ModelFolder(tmp_path / "none"), [])
    assert capsys.readouterr().err == ""


# reproduce


def test_an_id_is_found_by_its_beginning_and_near_ones_are_suggested(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        with pytest.raises(UsageError, match=r"^no trial 'abc' in '.*'\. It is empty\.$"):
            reproduce._find(store, "abc")
        for seed in range(40):
            store.put(outcome(seed=seed))
        ids = store.ids()
        by_digit = {one: [known for known in ids if known.startswith(one)] for one in "0123456789abcdef"}
        digit, several = max(by_digit.items(), key=lambda item: len(item[1]))
        assert reproduce._find(store, several[0].upper()).id == several[0]
        with pytest.raises(UsageError) as many:
            reproduce._find(store, digit)
        assert str(many.value).startswith(f"{len(several)} trials begin with {digit!r}: expected more digits, as of ")
        assert str(many.value).count("dae + conv + mse") == min(3, len(several))
        assert all(f"{one} (bottle" in str(many.value) for one in several[:3])
        wrong = ids[7][:-1] + ("0" if ids[7][-1] != "0" else "1")
        with pytest.raises(UsageError, match=f"no trial '{wrong}' in .*Did you mean {ids[7]} \\("):
            reproduce._find(store, wrong)
        with pytest.raises(UsageError, match=f"Did you mean {ids[0]} .*{ids[2]} \\("):
            reproduce._find(store, "zzzz")


def test_the_place_of_a_fit_is_one_line_of_a_terminal_that_is_written_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = reproduce._OneLine()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    for epoch, ended in ((1, False), (1, True), (3, True)):
        progress: Any = SimpleNamespace(epoch=epoch, epochs=3, loss=0.123456, epoch_done=ended)
        line.progressed(TRIAL, progress)
    one = f"\r{TRIAL.title} · epoch {{}}/3 · loss 0.1235"
    assert capsys.readouterr().err.replace("\x1b[K", "") == f"{one.format(1)}{one.format(3)}\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    line.progressed(TRIAL, progress)
    assert capsys.readouterr().err == ""


# certify


@pytest.fixture
def certifying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What `certify` asks for; each certificate holds what was asked, and a checked one differs where seeds do."""
    seen: list[Any] = []

    def certified(place: Any, asked: Asked, registry: Any, say: Any) -> Any:
        seen.append((place, asked))
        say("painting")
        return SimpleNamespace(asked=asked)

    def compared(then: Any, now: Any) -> Checked:
        return Checked(() if then.asked.seed == 0 else ("photos was 3, is 4",), ())

    written = SimpleNamespace(write=lambda out: remembered(seen, out).with_suffix(".html"))
    monkeypatch.setattr(certify, "certified", certified)
    monkeypatch.setattr(certify, "compared", compared)
    monkeypatch.setattr(certify, "Certified", lambda found: written)
    monkeypatch.setattr(certify, "screen", lambda found: "the certificate\n")
    monkeypatch.setattr(certify, "check_lines", lambda checked: ["equal" if checked.equal else "differs", "end"])
    monkeypatch.setattr(certify, "place_of", lambda *where: where)
    monkeypatch.setattr(
        certify, "read", lambda file: SimpleNamespace(asked=Asked("was", "photos", seed=int("odd" in str(file))))
    )
    return seen


def test_a_certificate_is_made_written_and_the_command_that_checks_it_is_named(certifying: list[Any]) -> None:
    words = ("--sizes", "0.1,0.2", "--most", 6, "--out", "my cert.json", "--store", "s", "--weights-dir", "w")
    done = call("certify", "mine", "--images", "photos", *words)
    assert done.exit_code == 0, done.output
    (place, asked), out = certifying
    assert place == ("mine", Path("s"), (), Path("w"))
    assert asked == Asked("mine", "photos", sizes=(0.1, 0.2), most=6)
    assert out == Path("my cert.json")
    assert done.stderr == "harness: painting\n"
    assert done.stdout == (
        "the certificate\nwritten            my cert.json and my cert.html; computed again by:  "
        "harness certify --check 'my cert.json'\n"
    )
    assert call("certify", "mine", "--images", "photos", "--quiet").stderr == ""


@pytest.mark.parametrize("words", [("mine",), ("--images", "photos"), ()])
def test_a_certificate_takes_a_model_and_photos(words: tuple[str, ...], certifying: list[Any]) -> None:
    done = call("certify", *words)
    assert (done.exit_code, certifying) == (2, [])
    assert done.stderr == "harness: expected a model and --images FOLDER, or --check FILE\n"


def test_a_certificate_is_checked_as_it_was_made_though_photos_and_model_may_lie_elsewhere(
    certifying: list[Any],
) -> None:
    done = call("certify", "--check", "cert.json")
    assert (done.exit_code, done.stdout) == (0, "equal\nend\n")
    assert certifying[0][1] == Asked("was", "photos", engines=()), "times are not compared"
    moved = call("certify", "mine", "--check", "odd.json", "--images", "here", "--today", "now")
    assert (moved.exit_code, moved.stdout) == (1, "differs\nend\n")
    assert certifying[1][1] == Asked("mine", "here", "now", seed=1, engines=())
    other = call("certify", "--check", "cert.json", "--seed", "3", "--most", "2")
    assert other.exit_code == 2
    assert other.stderr == (
        "harness: --most, --seed: a certificate is computed again as it was, so --check takes no other settings\n"
    )


# verify


def refit_of(results: list[str], monkeypatch: pytest.MonkeyPatch, *, signs: Any = None) -> bool:
    """Whether all is well where trials come out so."""
    refits = [Refit(f"t{at}", result, 1e-4, "here") for at, result in enumerate(results)]
    monkeypatch.setattr(verify, "drawn_claims", lambda export, request: (None, refits))
    monkeypatch.setattr(verify, "refits_of", lambda claims, *rest: ((claim, claim) for claim in claims))
    monkeypatch.setattr(verify, "refits_document", lambda found, drawn, request: len(found))
    monkeypatch.setattr(verify, "render", lambda document, style: f"{document} in {style}\n")
    monkeypatch.setattr(verify, "note_of", lambda export, drawn, refits, request, config, by: (len(refits), by))
    monkeypatch.setattr(verify, "save", lambda note, signer, file: f"{file} {note}")
    export: Any = SimpleNamespace(file="x.jsonl")
    worker: Any = SimpleNamespace(config=None)
    request: Any = None
    return verify._refit(export, request, worker, "md", signs, Path("keys/anna.pem") if signs else None)


def test_a_verification_tells_each_trial_as_it_ends_and_is_whole_where_all_scores_came_out_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refit_of(["equal", "within tolerance"], monkeypatch)
    said = capsys.readouterr()
    assert said.out == "2 in md\n"
    assert said.err.splitlines() == [
        "1 of 2: t0 is equal", "2 of 2: t1 is within tolerance", "Not signed: --key FILE writes a note beside the rows."
    ]  # fmt: skip
    assert not refit_of(["equal", "different"], monkeypatch)
    assert not refit_of(["impossible"], monkeypatch)
    capsys.readouterr()
    assert refit_of(["equal"], monkeypatch, signs=SimpleNamespace(public="PUB"))
    assert capsys.readouterr().err.splitlines()[1] == "Signed: x.jsonl (1, ('anna', 'PUB'))"


def test_a_verification_that_is_stopped_says_that_nothing_was_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "drawn_claims", lambda export, request: (None, []))

    def stopped(*asked: Any) -> Any:
        raise KeyboardInterrupt(2)

    monkeypatch.setattr(verify, "refits_of", stopped)
    anything: Any = SimpleNamespace()
    with pytest.raises(KeyboardInterrupt):
        verify._refit(anything, anything, anything, "md", None, None)
    assert capsys.readouterr() == ("", "\nStopped. No note was written.\n")


def test_a_key_alone_is_made_and_its_public_half_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "anna.pem"
    made = call("verify", "--key", file)
    assert made.exit_code == 0, made.output
    first, second = made.stderr.splitlines()
    assert first == (
        f"Made the key {file}: keep it to yourself, and out of repositories. Others need its public half, as a file "
        "leaderboards/keys/NAME.pub or for --trust:"
    )
    assert second.endswith(" anna")
    assert call("verify", "--key", file).stderr == ""


@pytest.mark.parametrize("words", [["--sample", "1"], ["--seed", "1"]])
def test_a_sample_goes_with_a_seed(words: list[str]) -> None:
    refused = call("verify", "x.jsonl", *words)
    assert refused.exit_code == 2
    assert "--sample and --seed go together: the seed draws the trials" in refused.stderr
    nothing = call("verify")
    assert (nothing.exit_code, nothing.stderr) == (
        2, "harness: nothing to do: give an export (.jsonl), or --key FILE alone to make a key\n",
    )  # fmt: skip


def verified(monkeypatch: pytest.MonkeyPatch, faults: list[str], whole: bool, *words: str) -> tuple[Result, list[Any]]:
    seen: list[Any] = []
    export = SimpleNamespace(verdicts=[], rows=[], faults=faults)
    monkeypatch.setattr(verify, "registry_of", lambda files, isolate: seen.append(isolate))
    monkeypatch.setattr(verify, "read", lambda file, registry: export)
    notes = SimpleNamespace(marked=lambda verdicts, digests: "marked", faults=["a note is damaged"], counted={"n": 1})
    monkeypatch.setattr(verify, "Notes", SimpleNamespace(beside=lambda file, trust: notes))
    monkeypatch.setattr(verify, "redrawn", lambda note, export: "other trials were drawn")
    monkeypatch.setattr(verify, "rows_document", lambda export, marked: marked)
    monkeypatch.setattr(verify, "render", lambda document, style: f"{document} in {style}\n")
    monkeypatch.setattr(verify, "_refit", lambda *asked: bool(remembered(seen, asked)) and whole)
    return call("verify", "x.jsonl", *words), seen


def test_an_export_whose_rows_do_not_follow_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    fine, seen = verified(monkeypatch, [], True)
    assert (fine.exit_code, fine.stdout, seen) == (0, "marked in rich\n", [False])
    assert fine.stderr == "harness: a note is damaged\nharness: note 'n': other trials were drawn\n"
    odd, _ = verified(monkeypatch, ["line 3\nis odd"], True)
    assert odd.exit_code == 3
    assert odd.stderr.startswith("harness: line 3\\nis odd\n")


@pytest.mark.parametrize(
    ("faults", "whole", "code"), [([], True, 0), ([], False, 3), (["odd"], True, 3), (["odd"], False, 3)]
)
def test_a_sample_is_fitted_as_asked_and_ends_with_3_where_anything_differs(
    faults: list[str], whole: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "--sample 2 --seed 7 --within 60 --tolerance 0.1 --device cpu --trial-minutes 5 --data-root d --weights-dir w"
    )
    done, seen = verified(monkeypatch, faults, whole, *words.split())
    assert done.exit_code == code
    isolate, (_, request, worker, *rest) = seen
    assert isolate
    assert (request.sample, request.seed, request.within, request.tolerance) == (2, 7, 60.0, 0.1)
    config = worker.config
    assert (config.device, config.data_root, config.weights_dir) == ("cpu", Path("d"), Path("w"))
    assert (config.isolate, config.skip_unreadable, config.trial_minutes) == (True, True, 5.0)
    assert rest == ["rich", None, None]
    _, seen = verified(monkeypatch, faults, whole, "--sample", "1", "--seed", "0", "--no-isolate", "--format", "md")
    assert (seen[0], seen[1][2].config.isolate, seen[1][3]) == (False, False, "md")


# recommend, site and conventions


def test_a_recommendation_is_shown_and_its_page_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []

    def recommended(asked: Any, say: Any) -> Any:
        seen.append(asked)
        say("trying padim")
        return "answer"

    monkeypatch.setattr(recommend, "recommended", recommended)
    monkeypatch.setattr(recommend, "screen", lambda answer: f"{answer}\n")
    monkeypatch.setattr(recommend, "recommendation_page", lambda answer: f"<p>{answer}")
    page = tmp_path / "page.html"
    done = call("recommend", tmp_path, "--minutes", "2.5", "--out", page, "--seeds", "4", "--image-size", "32")
    assert (done.exit_code, done.stdout) == (0, f"answer\npage           {page}\n"), done.output
    assert done.stderr == "harness: trying padim\n"
    assert page.read_text() == "<p>answer"
    (asked,) = seen
    assert (asked.place, asked.minutes) == (tmp_path, 2.5)
    assert (asked.settings.seeds, asked.settings.image_size) == ((4,), 32)
    assert asked.given.keys() == {"seeds", "image_size"}, "what was not given is left to the recommendation"
    assert call("recommend", tmp_path, "--out", page, "--quiet").stderr == ""
    assert "--minutes is 'no'" in call("recommend", tmp_path, "--minutes", "no").stderr


def test_a_site_is_written_page_by_page_and_what_was_left_out_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: dict[str, list[str]] = {"faults": [], "notes": ["b.jsonl has no\nnote"]}
    contents = {"index.html": "<p>all", "screw.html": "<p>screw"}
    monkeypatch.setattr(site, "site", lambda folder, registry, trust: (contents, told["faults"], told["notes"]))
    out = tmp_path / "deep" / "site"
    done = call("site", tmp_path, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stderr == f"harness: b.jsonl has no\\nnote\n2 pages written to {out}/index.html and beside it\n"
    assert {one.name: one.read_text() for one in out.iterdir()} == contents
    told["faults"] = ["a.jsonl: line 2 is damaged"]
    again = call("site", tmp_path, "--out", out)
    assert again.exit_code == 3
    assert again.stderr.startswith("harness: a.jsonl: line 2 is damaged\n")
    (tmp_path / "file").touch()
    refused = call("site", tmp_path, "--out", tmp_path / "file" / "below")
    assert refused.exit_code == 2
    assert f"--out '{tmp_path}/file/below' cannot be written: Not a directory" in refused.stderr


def test_conventions_are_judged_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def judged(*asked: Any) -> Any:
        seen.append(asked)
        return SimpleNamespace(
            conventions=lambda **how: remembered(seen, how) and SimpleNamespace(text=lambda style: style)
        )

    monkeypatch.setattr(conventions, "judged", judged)
    assert call("conventions").stdout == "rich"
    assert seen == [
        (Path("runs"), "mean", None, ()), {"threshold": "mean", "data_root": None, "device": "auto"}
    ]  # fmt: skip
    words = "--threshold quantile --data-root d --device cpu --store s --format md --plugin p.py"
    assert call("conventions", *words.split()).stdout == "md"
    assert seen[2:] == [
        (Path("s"), "quantile", None, (Path("p.py"),)),
        {"threshold": "quantile", "data_root": Path("d"), "device": "cpu"},
    ]
