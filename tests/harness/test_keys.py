"""Keys that sign notes, whose notes are trusted, how far scores may differ, and whom a draw takes."""

from __future__ import annotations

import base64
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.api import Threshold
from harness.errors import UnavailableError, UsageError
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.judging import judge
from harness.verdicts.verdict import Verdict
from harness.verification.draw import draw, weights_of
from harness.verification.keys import is_signed, shipped_folder, signer, trusted
from harness.verification.tolerances import tolerance_of

serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def pem(private: object, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


def test_what_one_key_signs_is_signed_by_that_key_and_holds_for_that_text_alone(tmp_path: Path) -> None:
    mine, made = signer(tmp_path / "deep" / "mine.pem")
    other, _ = signer(tmp_path / "other.pem")
    assert made
    assert stat.S_IMODE((tmp_path / "deep" / "mine.pem").stat().st_mode) == 0o600
    again, made_again = signer(tmp_path / "deep" / "mine.pem")
    assert not made_again
    assert again.public == mine.public != other.public
    signature = mine.sign(b"a note")
    assert is_signed(b"a note", signature, mine.public)
    assert is_signed(b"a note", again.sign(b"a note"), mine.public)
    assert not is_signed(b"a note.", signature, mine.public)
    assert not is_signed(b"a note", signature, other.public)
    assert not is_signed(b"a note", other.sign(b"a note"), mine.public)


@pytest.mark.parametrize("signature", ["", "no base64!", "AAAA", base64.b64encode(bytes(64)).decode(), "ü"])
def test_what_is_no_signature_signs_nothing(tmp_path: Path, signature: str) -> None:
    assert not is_signed(b"a note", signature, signer(tmp_path / "k.pem")[0].public)


@pytest.mark.parametrize("public", ["", "ssh-ed25519 AAAA", "no key", "ssh-ed25519"])
def test_by_what_is_no_public_key_nothing_is_signed(tmp_path: Path, public: str) -> None:
    assert not is_signed(b"a note", signer(tmp_path / "k.pem")[0].sign(b"a note"), public)


def test_a_public_key_of_another_kind_signs_nothing(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    assert not is_signed(b"a note", signer(tmp_path / "k.pem")[0].sign(b"a note"), text)


def test_a_file_that_holds_no_key_of_this_kind_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    other, locked = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    for name, content, said in (
        ("other", pem(other), "holds a ECPrivateKey, expected an Ed25519 key"),
        ("locked", pem(locked, b"secret"), "holds no private key without a password: "),
        ("text", b"hello", "holds no private key without a password: "),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=said):
            signer(tmp_path / name)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written: "):
        signer(tmp_path / "file" / "k.pem")


def test_a_key_is_refused_at_any_depth_of_a_repository_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    for place in (tmp_path / "repo" / "k.pem", tmp_path / "repo" / "a" / "b" / "k.pem"):
        with pytest.raises(UsageError, match=r"lies in the repository '.*repo', where it would be published"):
            signer(place)
        assert not place.exists()


def test_keys_that_ship_are_trusted_and_those_of_files_and_folders_under_their_names(tmp_path: Path) -> None:
    shipped = trusted()
    assert set(shipped.values()) == {file.stem for file in shipped_folder().glob("*.pub")} != set()
    anna, ben = (signer(tmp_path / f"{name}.pem")[0].public for name in ("anna", "ben"))
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "anna.pub").write_text(f"{anna} anna@work\n")
    (folder / "notes.txt").write_text("no key")
    (tmp_path / "ben.pub").write_text(ben)
    (tmp_path / "zoe.pub").write_text(f"{anna} the same key by another name")
    found = trusted([folder, tmp_path / "ben.pub", tmp_path / "zoe.pub"])
    assert found == {**shipped, anna: "anna", ben: "ben"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no public key: expected a line `ssh-ed25519 AAAA"),
        (b"ssh-ed25519", "is no public key"),
        (b"ssh-rsa AAAA anna", "is no public key"),
        (b"\xff\xfe", "cannot be read: "),
    ],
)
def test_what_is_no_public_key_is_trusted_by_nobody(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "k.pub").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        trusted([tmp_path / "k.pub"])
    with pytest.raises(UsageError, match=r"none.pub' cannot be read"):
        trusted([tmp_path / "none.pub"])


def test_without_the_library_of_signatures_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(
        UnavailableError, match=r"signatures need cryptography: pip install 'anomaly-harness\[verify\]'"
    ):
        signer(tmp_path / "k.pem")


@pytest.mark.parametrize(
    ("device", "epochs", "measured"),
    [("cpu", 0, True), ("cpu", 5, False), ("cuda:1", 0, False), ("cuda", 5, False)],
)
def test_a_tolerance_is_that_of_the_device_and_of_whether_the_model_trains(
    device: str, epochs: int, measured: bool
) -> None:
    found = tolerance_of(TRIAL._replace(epochs=epochs), device)
    assert found.share == 1e-3
    assert found.measured.startswith("on AMD EPYC against Intel Xeon" if measured else "nowhere: that of `harness rep")
    assert tolerance_of(TRIAL._replace(epochs=epochs), device, 0.02) == (0.02, "nowhere: asked for")
    assert tolerance_of(TRIAL, device, 0.0).share == 0.0


class Half(Threshold):
    name = "half"

    def fit(self, normal: np.ndarray) -> float:
        return 0.5


def verdicts() -> list[Verdict]:
    """Of four models, the first of which finds all, the second half of them and so on, fitted in 1, 2, 3, ... s."""
    found = []
    for place, model in enumerate(("a", "b", "c", "d")):
        test = np.r_[np.zeros(4), np.ones(6 - 2 * place), np.zeros(2 * place)]
        evidence = Evidence({"mean": np.zeros(3)}, {"mean": test}, ("good",) * 4 + ("hole",) * 6, tuple("abcdefghij"))
        record = Record(default_pool="mean", fit_seconds=None if model == "d" else 1.0 + place)
        found += judge(Outcome(TRIAL._replace(model=model), "done", "", "f00d", evidence, record), [Half()])
    return found


def test_a_trial_weighs_as_its_best_rank_and_only_those_fitted_soon_enough_are_drawn() -> None:
    rows = verdicts()
    ids = [one.outcome.id for one in rows]
    assert weights_of(rows) == {trial: 1 / rank for rank, trial in enumerate(ids, 1)}
    for within, able in ((None, ids), (10, ids[:3]), (2.0, ids[:2]), (1.9, ids[:1])):
        drawn = draw(rows, 9, 5, within)
        assert set(drawn.trials) == set(able)
        assert (drawn.of, drawn.in_all) == (len(able), 4)
    assert len(draw(rows, 2, 5).trials) == 2
    assert draw(rows, 2, 5).trials == draw(rows, 9, 5).trials[:2]
    with pytest.raises(
        UsageError, match=r"no finished trial that says it was fitted within 0.5 s to draw: expected.* 4$"
    ):
        draw(rows, 1, 0, 0.5)
    failed = replace(rows[0].outcome, status="error", evidence=None)
    with pytest.raises(UsageError, match="there is no finished trial to draw: expected some of 0"):
        draw(list(judge(failed, [Half()])), 1, 0)
