"""Trials of an export are drawn by a stated seed, fitted again and judged; notes on that count where they are whole."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

import harness
from harness.commands import main
from harness.errors import UsageError
from harness.plugin.registry import Registry
from harness.verdicts.exports import read
from harness.verification.draw import draw, lot, weights_of
from harness.verification.keys import signer
from harness.verification.refitting import _cannot, check
from harness.verification.submission import _unchecked
from harness.verification.tolerances import tolerance_of
from harness.verification.verifying import claims_of

DATA = ["--categories", "tile", "--image-size", "16", "--epochs", "1", "--device", "cpu", "--jobs", "1", "--quiet"]
"""Of the data set that the harness draws itself."""


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four trials with its export, a key and a note on two trials, made once."""
    folder = tmp_path_factory.mktemp("made")
    plugin = Path(__file__).parent.parent / "plugin_files" / "dots.py"
    shutil.copy(plugin, folder / "dots.py")
    common = ["--plugin", folder / "dots.py", *DATA]
    axes = ["--models", "trained", "--encoders", "plain", "--losses", "absolute"]
    fitted = call("run", *common, *axes, "--seeds", "0,1,2,3", "--store", folder / "runs")
    assert fitted.exit_code == 0, fitted.output
    words = ["--plugin", folder / "dots.py", "--thresholds", "mean,quantile"]
    assert call("export", "--store", folder / "runs", *words, "--out", folder / "dots.jsonl").exit_code == 0
    assert call("verify", "--key", folder / "private" / "anna.pem").exit_code == 0
    signed = verify(folder, "--sample", 2, "--seed", 7, "--key", folder / "private" / "anna.pem")
    assert signed.exit_code == 0, signed.output
    return folder


def verify(folder: Path, *words: object) -> Result:
    return call("verify", folder / "dots.jsonl", "--plugin", folder / "dots.py", "--device", "cpu", *words)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, with the public key of who signed in `keys`."""
    shutil.copytree(made, tmp_path / "copy")
    place = tmp_path / "copy"
    (place / "keys").mkdir()
    (place / "keys" / "anna.pub").write_text(f"{signer(place / 'private' / 'anna.pem')[0].public} anna@work\n")
    return place


def note_in(folder: Path) -> Path:
    (file,) = folder.glob("dots.*.note.json")
    return file


def board(folder: Path, *words: object, form: str = "md") -> Result:
    common = ["--plugin", folder / "dots.py", "--trust", folder / "keys", "--format", form]
    return call("leaderboard", "--store", folder / "dots.jsonl", *common, *words)


def test_a_draw_is_the_same_for_all_who_know_the_seed(made: Path) -> None:
    verdicts = read(made / "dots.jsonl").verdicts
    first = draw(verdicts, 2, 7)
    assert first == draw(list(reversed(verdicts)), 2, 7)
    assert (first.of, first.in_all) == (4, 4)
    assert len({draw(verdicts, 1, seed).trials for seed in range(30)}) > 1
    assert lot(7, "1143c4e8", 1.0) == pytest.approx(0.21318693807, abs=1e-9), "the formula of the documentation"
    with pytest.raises(UsageError, match="no finished trial that says it was fitted within 0 s"):
        draw(verdicts, 1, 0, within=0)


def test_what_ranks_high_is_drawn_more_readily() -> None:
    weights = {f"trial{rank}": 1 / rank for rank in range(1, 11)}
    first = Counter(max(weights, key=lambda trial: lot(seed, trial, weights[trial])) for seed in range(2000))
    share = sum(weights.values())
    assert first["trial1"] / 2000 == pytest.approx(1 / share, abs=0.04)
    assert first["trial10"] / 2000 == pytest.approx(0.1 / share, abs=0.02)


def test_weights_follow_the_best_rank_on_any_board(made: Path) -> None:
    weights = weights_of(read(made / "dots.jsonl").verdicts)
    assert len(weights) == 4
    assert max(weights.values()) == 1.0


def test_boards_say_which_trials_were_fitted_again_and_by_whom(folder: Path) -> None:
    shown = board(folder)
    assert shown.exit_code == 0, shown.output
    assert "Verified 2 of 4 trials, by anna." in shown.stdout
    assert "Verified 2 of 4 trials, by anna." in board(folder, form="rich").stdout.replace("\n", " ")
    rows = json.loads(board(folder, form="json").stdout)
    assert Counter(row["verified"] for row in rows) == {"equal": 2, "": 3}, "one is a floor"
    only = board(folder, "--verified")
    assert "Verified 2 of 2 trials" in only.stdout
    opened = harness.open(folder / "dots.jsonl", plugins=[folder / "dots.py"], trust=[folder / "keys"], verified=True)
    assert len(opened) == 2
    assert "Verified 2 of 2" in opened._repr_html_()


def test_a_store_of_the_same_scores_is_verified_by_the_note_too(folder: Path) -> None:
    shutil.copy(note_in(folder), folder / "runs" / "dots.note.json")
    words = ["--store", folder / "runs", "--plugin", folder / "dots.py", "--trust", folder / "keys"]
    page = call("report", *words)
    assert page.exit_code == 0, page.output
    assert "verified 2 of 4" in page.stdout
    assert "Verified 2 of 4 trials, by anna." in call("report", *words, "--format", "md").stdout
    only = call("report", *words, "--verified", "--format", "md").stdout
    assert "Verified 2 of 2" in only


def test_a_note_says_who_where_and_what(made: Path) -> None:
    note = json.loads(note_in(made).read_text())["note"]
    assert (note["seed"], note["sample"], note["drawn_of"], note["finished"]) == (7, 2, 4, 4)
    assert note["key"].startswith("ssh-ed25519 AAAA")
    assert {"system", "cpu"} <= note["machine"].keys()
    assert note["versions"]["anomaly-harness"]
    assert [refit["result"] for refit in note["refits"]] == ["equal", "equal"]
    assert all(len(refit["rows"]) == 6 and len(refit["scores"]) == 3 for refit in note["refits"])
    assert all(refit["measured"] for refit in note["refits"])
    assert all(refit["compared"] == ["pixel metrics"] for refit in note["refits"])
    assert note["isolated"] is True


def spoil(folder: Path, what: str) -> None:
    file = note_in(folder)
    content = json.loads(file.read_text())
    if what == "altered":
        content["note"]["refits"][0]["result"] = "within tolerance"
    elif what == "unsigned":
        content["signature"] = "AAAA"
    elif what == "a number for a signature":
        content["signature"] = 5
    elif what == "unknown key":
        (folder / "keys" / "anna.pub").unlink()
    elif what == "no note":
        content = ["note"]
    elif what == "another key":  # signed anew by somebody who claims to be anna
        other, _ = signer(folder / "private" / "mallory.pem")
        told = json.dumps(content["note"], sort_keys=True, separators=(",", ":")).encode()
        content["signature"] = other.sign(told)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("altered", "was altered, or its signature is of another key: it does not count"),
        ("unsigned", "was altered, or its signature is of another key: it does not count"),
        ("another key", "was altered, or its signature is of another key: it does not count"),
        ("unknown key", "which is not trusted: --trust FILE takes that public key"),
        ("no note", "is no note: "),
        ("a number for a signature", "is no note: signature is 5, expected"),
    ],
)  # fmt: skip
def test_a_note_that_does_not_count_is_one_line_and_nothing_is_verified(folder: Path, what: str, said: str) -> None:
    spoil(folder, what)
    shown = board(folder)
    assert shown.exit_code == 0
    assert "Verified" not in shown.stdout
    (line,) = shown.stderr.splitlines()
    assert said in line
    assert str(note_in(folder)) in line
    none = board(folder, "--verified")
    assert none.exit_code == 2
    assert "none of 5 verdicts" in none.stderr


def test_a_note_that_is_a_pipe_a_device_or_too_large_is_one_line(folder: Path) -> None:
    note_in(folder).unlink()
    os.mkfifo(folder / "dots.pipe.note.json")
    (folder / "dots.zeros.note.json").symlink_to("/dev/zero")
    (folder / "dots.large.note.json").write_bytes(b" " * (9 << 20))
    lines = board(folder).stderr.splitlines()
    assert [line.rpartition("] ")[2] for line in lines] == [
        "it has more than 8,388,608 bytes",
        "it is no plain file",
        "it is no plain file",
    ]


def test_a_note_of_other_rows_is_one_line_and_verifies_nothing(folder: Path) -> None:
    store = folder / "others"
    call("run", "--plugin", folder / "dots.py", *DATA, "--models", "mean_image", "--store", store)
    call(
        "export",
        "--store",
        store,
        "--plugin",
        folder / "dots.py",
        "--thresholds",
        "mean",
        "--out",
        folder / "dots.jsonl",
    )
    shown = board(folder)
    (line,) = shown.stderr.splitlines()
    assert "is of other rows: 2 of its 2 trials, such as " in line
    assert "Verified" not in shown.stdout


def forged(folder: Path, what: str, left: str = "") -> str:
    """Alter one verified trial of the export, but rows of one threshold, and make every digest anew; its id."""
    from harness.api import Threshold
    from harness.trials.store import Store
    from harness.verdicts.exports import row_of, save
    from harness.verdicts.judging import judge

    verified = {refit["trial"] for refit in json.loads(note_in(folder).read_text())["note"]["refits"]}
    target = min(verified)
    judges = Registry.discover([folder / "dots.py"]).choose(Threshold, "mean,quantile")
    with Store(folder / "runs") as store:
        outcomes = {one.id: one for one in store.outcomes()}
    other = next(one for one in outcomes.values() if one.id not in verified and one.trial.model == "trained")
    one = outcomes[target]
    assert one.evidence is not None
    record = one.record
    changed = {
        "scores of another trial": replace(one, evidence=other.evidence),
        "order of images": replace(one, evidence=replace(one.evidence, defects=one.evidence.defects[::-1])),
        "seconds": replace(one, record=replace(record, fit_seconds=0.001)),
        "pixel metrics": replace(one, record=replace(record, pixels={**(record.pixels or {}), "aupro_0.30": 0.999})),
        "images fitted": replace(one, record=replace(record, n_train=1)),
        "machine": replace(one, record=replace(record, machine={"cpu": "abacus"})),
    }
    pools = ["mean", "max", "topk"]
    as_they_were = [verdict for one in outcomes.values() for verdict in judge(one, judges, pools)]
    altered = {(new.pool, new.threshold): new for new in judge(changed[what], judges, pools)}
    verdicts = [
        altered[was.pool, was.threshold] if was.outcome.id == target and was.threshold != left else was
        for was in as_they_were
    ]
    save(map(row_of, verdicts), folder / "dots.jsonl")
    return target


@pytest.mark.parametrize("what", ["scores of another trial", "seconds", "pixel metrics", "images fitted", "machine"])
def test_nothing_that_was_altered_is_shown_as_verified(folder: Path, what: str) -> None:
    target = forged(folder, what, left="mean")
    shown = board(folder, "--pools", "all", "--thresholds", "mean,quantile", form="json")
    assert shown.exit_code == 0, shown.output
    rows = json.loads(shown.stdout)
    own = [(row["threshold"], row["verified"]) for row in rows if row["trial"] == target]
    assert Counter(own) == {("mean", "equal"): 3, ("quantile", ""): 3}
    assert {row["verified"] for row in rows if row["trial"] != target} == {"", "equal"}, "what was left alone counts"


def test_a_note_does_not_warn_of_altered_rows_of_which_it_says_nothing(folder: Path) -> None:
    target = forged(folder, "seconds")
    file = note_in(folder)
    told = json.loads(file.read_text())["note"]
    for refit in told["refits"]:
        refit["result"] = "impossible" if refit["trial"] == target else refit["result"]
    text = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    file.write_text(json.dumps({"note": told, "signature": signer(folder / "private" / "anna.pem")[0].sign(text)}))
    shown = board(folder)
    assert shown.stderr == ""
    assert "Verified 1 of 4" in shown.stdout


@pytest.mark.parametrize("what", ["seconds", "order of images"])
def test_a_note_on_a_trial_that_was_altered_as_a_whole_is_of_other_rows(folder: Path, what: str) -> None:
    target, shown = forged(folder, what), board(folder, form="json")
    assert f"1 of its 2 trials, such as {target}, are not here" in shown.stderr
    assert [row["verified"] for row in json.loads(shown.stdout) if row["trial"] == target] == [""]


def test_a_page_of_an_altered_trial_does_not_say_verified(folder: Path) -> None:
    forged(folder, "pixel metrics")
    (folder / "site").mkdir()
    words = ["--out", folder / "site", "--plugin", folder / "dots.py", "--trust", folder / "keys"]
    done = call("site", folder, *words)
    assert done.exit_code in (0, 3), done.output
    (page,) = (file for file in (folder / "site").rglob("*.html") if file.name != "index.html")
    said = page.read_text()
    assert "1 of 5" in said or "1 of 4" in said


def test_verdicts_of_a_store_are_verified_where_they_follow_from_signed_scores_and_remember_the_same(
    folder: Path,
) -> None:
    from harness.api import Threshold
    from harness.trials.store import Store
    from harness.verdicts.judging import judge
    from harness.verification.notes import Notes

    notes = Notes.beside(folder / "dots.jsonl", [folder / "keys"])
    with Store(folder / "runs") as store:
        outcomes = [one for one in store.outcomes() if one.id in notes.trials]
    registry = Registry.discover([folder / "dots.py"])
    judged = [verdict for one in outcomes for verdict in judge(one, registry.choose(Threshold, "mean,highest"))]
    assert [one.verified for one in notes.marked(judged)] == [True] * 4, "a threshold that was not signed, too"
    slower = [
        replace(one, outcome=replace(one.outcome, record=replace(one.outcome.record, fit_seconds=9.0)))
        for one in judged
    ]
    assert not any(one.verified for one in notes.marked(slower))
    alone = [verdict for one in outcomes for verdict in judge(one, registry.choose(Threshold, "highest"))]
    assert not any(one.verified for one in notes.marked(alone)), "nothing here is as it was signed"


def test_a_leaderboard_of_a_store_says_what_is_verified(folder: Path) -> None:
    shutil.copy(note_in(folder), folder / "runs" / "dots.note.json")
    words = ["--store", folder / "runs", "--plugin", folder / "dots.py", "--trust", folder / "keys", "--format", "md"]
    shown = call("leaderboard", *words)
    assert "Verified 2 of 4 trials, by anna." in shown.stdout, shown.output


def test_pixel_metrics_that_were_made_up_come_out_differently(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "dots.jsonl").read_text().splitlines()]
    assert any(line["aupro_0.30"] is not None for line in lines)
    note_in(folder).unlink()
    made_up = [{**line, "aupro_0.30": 0.999} if line["model"] == "trained" else line for line in lines]
    bare = [{k: v for k, v in line.items() if k not in ("digest", "evidence")} for line in made_up]
    (folder / "dots.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in bare))
    done = verify(folder, "--sample", 1, "--seed", 7, "--format", "json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)[0]["result"] == "different"


def test_scores_of_changed_images_are_held_against_those_of_the_fit() -> None:
    import numpy as np

    from harness.metrics.pixel.curves import VERSIONS
    from harness.trials.record import Record
    from harness.trials.trial import Evidence
    from harness.verification.beside_scores import CHANGED, PIXELS, beside_scores

    one = Evidence({"max": np.arange(2.0)}, {"max": np.arange(4.0)}, ("good",) * 2 + ("crack",) * 2, tuple("abcd"))
    scored = replace(one, corrupted={"blur": {"max": np.linspace(0.0, 10.0, 20).reshape(5, 4)}})
    moved = replace(one, corrupted={"blur": {"max": scored.corrupted["blur"]["max"] + 1.0}})
    nothing = Record()
    assert beside_scores(nothing, nothing, {"max": one}, one) == ([], ())
    assert beside_scores(nothing, nothing, {"max": scored}, scored) == ([0.0], (CHANGED,))
    assert beside_scores(nothing, nothing, {"max": scored}, moved)[0] == pytest.approx([0.1])
    assert beside_scores(nothing, nothing, {"max": scored}, one)[0] == [None], "it does not come about here"
    said = Record(pixels={"aupro_0.30": 0.9}, pixel_versions=VERSIONS)
    assert beside_scores(said, Record(pixels={"aupro_0.30": 0.7}), {}, one) == ([pytest.approx(0.2)], (PIXELS,))
    assert beside_scores(said, nothing, {}, one)[0] == [None], "as where there are no masks"
    assert beside_scores(replace(said, pixel_versions={"aupro_0.30": 99}), said, {}, one) == ([], ()), "another version"


def test_what_any_machine_has_to_come_to_is_compared() -> None:
    from harness.trials.record import Record
    from harness.verification.beside_scores import other_record

    assert other_record(Record(n_train=8, fit_seconds=1.0), Record(n_train=8, fit_seconds=9.0)) == ""
    assert other_record(Record(n_train=8), Record(n_train=9)) == "its n_train is 8, here it is 9"
    assert other_record(Record(), Record(n_train=9)) == "", "what a row does not state is not compared"


def test_scores_that_were_made_up_come_out_differently(folder: Path) -> None:
    """They give figures that follow from them, so that only fitting again tells."""
    import numpy as np

    from harness.api import Threshold
    from harness.trials.store import Store
    from harness.verdicts.exports import row_of, save
    from harness.verdicts.judging import judge

    note_in(folder).unlink()
    judges = Registry.discover().choose(Threshold, "mean")
    with Store(folder / "runs") as store:
        outcomes = list(store.outcomes())
    rows = []
    for one in outcomes:
        assert one.evidence is not None
        better = {pool: one.evidence.labels + np.arange(len(one.evidence.labels)) / 1000 for pool in one.evidence.test}
        forged = replace(one, evidence=replace(one.evidence, test=better))
        rows += [row_of(verdict) for verdict in judge(forged, judges, ["mean"])]
    save(rows, folder / "dots.jsonl")
    assert "1.000" in board(folder).stdout, "a perfect detector, if one believes it"
    key = folder / "private" / "anna.pem"
    done = verify(folder, "--sample", 1, "--seed", 1, "--key", key, "--trust", folder / "keys")
    assert done.exit_code == 3
    assert "different" in done.stdout
    shown = board(folder)
    assert "Verified 0 of 4, 1 different trials, by anna." in shown.stdout


def test_labels_of_others_are_found_out_by_fitting_again(folder: Path) -> None:
    from harness.api import Threshold
    from harness.trials.store import Store
    from harness.verdicts.exports import row_of, save
    from harness.verdicts.judging import judge

    judges = Registry.discover().choose(Threshold, "mean")
    with Store(folder / "runs") as store:
        (one, *_) = store.outcomes()
    assert one.evidence is not None
    moved = replace(one, evidence=replace(one.evidence, defects=one.evidence.defects[::-1]))
    save([row_of(verdict) for verdict in judge(moved, judges, ["mean"])], folder / "dots.jsonl")
    done = verify(folder, "--sample", 1, "--seed", 1, "--format", "json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)[0]["reason"] == "its labels are not those of the data"


def test_without_scores_limits_and_auroc_tell(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "dots.jsonl").read_text().splitlines()]
    bare = [{k: v for k, v in line.items() if k not in ("digest", "evidence")} for line in lines]
    (folder / "dots.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in bare))
    done = verify(folder, "--sample", 1, "--seed", 0, "--format", "json")
    assert [row["result"] for row in json.loads(done.stdout)] == ["equal"], "by the hash of the scores"
    other = [{**line, "scores": "0" * 16, "limit": line["limit"] + 1e-9} for line in bare]
    (folder / "dots.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in other))
    done = verify(folder, "--sample", 1, "--seed", 0, "--format", "json")
    (row,) = json.loads(done.stdout)
    assert row["result"] == "within tolerance"
    assert "did not come along" in row["reason"]


def test_a_trial_of_another_version_cannot_be_fitted_again(folder: Path) -> None:
    plugin = folder / "dots.py"
    text = plugin.read_text()
    at = text.index('    name = "trained"')
    plugin.write_text(f"{text[:at]}    version = 2\n{text[at:]}")
    done = verify(folder, "--sample", 1, "--seed", 0, "--format", "json")
    assert done.exit_code == 3
    (row,) = json.loads(done.stdout)
    assert (row["result"], row["reason"]) == ("impossible", "it is of parts of version 1, installed here: trained 2")


def test_a_trial_of_a_newer_part_than_the_installed_one_cannot_be_fitted_again(made: Path) -> None:
    (trial, *_) = {verdict.trial for verdict in read(made / "dots.jsonl").verdicts}
    claim, worker = (
        Mock(trial=trial._replace(versions="trained 2")),
        Mock(registry=Registry.discover([made / "dots.py"])),
    )
    assert _cannot(claim, worker) == "it is of trained 2, installed here: parts of version 1"
    assert _cannot(Mock(trial=trial), worker) == ""


def test_a_trial_of_other_images_than_those_here_cannot_be_fitted_again(made: Path) -> None:
    (claim, *_) = claims_of(read(made / "dots.jsonl")).values()
    worker = Mock(registry=Registry.discover([made / "dots.py"]))
    worker.presented.return_value.fingerprint = "0" * 16
    refit = check(claim, worker, Mock(), tolerance_of(claim.trial, "cpu"))
    assert refit.result == "impossible"
    assert refit.reason == f"its data is {claim.fingerprint}, here it is 0000000000000000"


def test_what_a_check_of_rows_cannot_tell_is_said_of_all_trials(made: Path) -> None:
    first, *_ = _unchecked(read(made / "dots.jsonl").verdicts, [], Registry.discover([made / "dots.py"]))
    assert first.startswith("whether the 5 trials give these scores: `harness verify FILE")


def test_a_tolerance_says_where_it_was_measured(made: Path) -> None:
    trial = read(made / "dots.jsonl").verdicts[0].trial
    assert tolerance_of(trial._replace(epochs=0), "cpu").measured.startswith("on AMD EPYC against Intel Xeon")
    assert tolerance_of(trial._replace(epochs=0), "cuda:1").measured == "nowhere: that of `harness reproduce`"
    assert tolerance_of(trial._replace(epochs=5), "cpu").measured == "nowhere: that of `harness reproduce`"
    assert tolerance_of(trial, "cpu", 0.5) == (0.5, "nowhere: asked for")


def test_a_draw_that_its_seed_does_not_give_is_said(folder: Path) -> None:
    file = note_in(folder)
    told = json.loads(file.read_text())["note"] | {"seed": 8, "sample": 1}
    text = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    signed = {"note": told, "signature": signer(folder / "private" / "anna.pem")[0].sign(text)}
    file.write_text(json.dumps(signed))
    assert "its seed 8 draws" in verify(folder, "--trust", folder / "keys").stderr


def test_a_key_is_made_once_for_its_owner_alone_and_never_in_a_repository(tmp_path: Path) -> None:
    made = call("verify", "--key", tmp_path / "mine.pem")
    assert made.exit_code == 0
    assert "keep it to yourself" in made.stderr
    assert "ssh-ed25519 AAAA" in made.stderr
    assert stat.S_IMODE((tmp_path / "mine.pem").stat().st_mode) == 0o600
    assert call("verify", "--key", tmp_path / "mine.pem").stderr == "", "said once"
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    refused = call("verify", "--key", tmp_path / "repo" / "deep" / "k.pem")
    assert refused.exit_code == 2
    assert "where it would be published" in refused.stderr
    (tmp_path / "text.pem").write_text("hello")
    assert call("verify", "--key", tmp_path / "text.pem").exit_code == 2


def test_requests_that_cannot_be_are_one_line(folder: Path) -> None:
    for words, said in (
        (["verify"], "nothing to do"),
        (["verify", folder / "dots.jsonl", "--sample", "2"], "--sample and --seed go together"),
        (["verify", folder / "none.jsonl"], "cannot be read"),
        (["leaderboard", "--store", folder / "dots.jsonl", "--trust", folder / "dots.py"], "is no public key"),
    ):
        done = call(*words)
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1
        assert said in done.stderr


def test_without_a_sample_rows_and_notes_are_looked_at(folder: Path) -> None:
    done = verify(folder, "--trust", folder / "keys")
    assert done.exit_code == 0
    assert "26 rows · verified 2 of 4 trials" in " ".join(done.stdout.split())
