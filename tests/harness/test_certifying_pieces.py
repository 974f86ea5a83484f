"""A certificate's pieces: what may be asked, which photos it rests on, what is drawn, written, read and compared."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness import DataError, Dataset, Images, ModelError, Split, UnavailableError, UsageError
from harness.api.corruptions import SEVERITIES
from harness.certifying import asked as asked_module
from harness.certifying import certificate, certify, cost
from harness.certifying import photos as photos_module
from harness.certifying.asked import CONTRASTS, SIZES, Asked
from harness.certifying.certificate import Certificate, canonical, digest_of, plain
from harness.certifying.checking import Checked, _same, compared
from harness.certifying.cost import Cost, costs
from harness.certifying.photos import Photos, photos_of
from harness.certifying.scoring import alarms_of, scores_of
from harness.deployment.engines import ENGINES
from harness.deployment.latency import Place, Protocol
from harness.trials.chosen import Chosen
from harness.trials.saved_model import DESCRIPTION, digest_of_pixels


def test_asked_for_nothing_else_it_is_as_large_as_the_readme_says() -> None:
    one = Asked.of("model", b"photos")
    assert (one.model, one.images, one.today, one.seed, one.most, one.repetitions) == (
        "model",
        "photos",
        "",
        0,
        20,
        100,
    )
    assert (one.defects, one.corruptions, one.engines) == (("all",), ("all",), ("all",))
    assert one.sizes == SIZES == (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)
    assert one.contrasts == CONTRASTS == (0.1, 0.25, 0.5)
    assert Asked.of("m", "p", seed=None, sizes=None) == Asked.of("m", "p")


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("today", Path("now"), "now"),
        ("sizes", "0.2, 0.1,0.1", (0.1, 0.2)),
        ("sizes", [1, 0.001], (0.001, 1.0)),
        ("contrasts", 0.5, (0.5,)),
        ("contrasts", "0.5", (0.5,)),
        ("defects", "scratch[depth=1,a=2],spot", ("scratch[depth=1,a=2]", "spot")),
        ("corruptions", ["noise"], ("noise",)),
        ("most", 4, 4),
        ("most", "10000", 10_000),
        ("seed", 2**32 - 1, 2**32 - 1),
        ("seed", 0, 0),
        ("engines", "none", ()),
        ("engines", [], ()),
        ("engines", "torch,onnx", ("torch", "onnx")),
        ("engines", "torch,all", ("all",)),
        ("repetitions", 1, 1),
        ("repetitions", 1e5, 100_000),
    ],
)
def test_a_value_is_read_into_its_type(name: str, value: Any, read: Any) -> None:
    found = getattr(Asked.of("m", "p", **{name: value}), name)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": 3}, "model is 3: expected the path of a folder"),
        ({"images": None}, "images is None: expected the path of a folder"),
        ({"today": 3.5}, "today is 3.5: expected the path of a folder"),
        ({"most": 3}, "most is 3: expected a whole number from 4 to 10000"),
        ({"most": 10_001}, "most is 10001: expected a whole number from 4 to 10000"),
        ({"most": 4.5}, "most is 4.5: expected a whole number from 4 to 10000"),
        ({"most": True}, "most is True: expected a whole number from 4 to 10000"),
        ({"most": math.inf}, "most is inf: expected a whole number from 4 to 10000"),
        ({"most": "x" * 60}, f"most is '{'x' * 39}: expected a whole number from 4 to 10000"),
        ({"seed": -1}, "seed is -1: expected a whole number from 0 to 4.29497e+09"),
        ({"seed": 2**32}, "seed is 4294967296: expected a whole number from 0 to 4.29497e+09"),
        ({"repetitions": 0}, "repetitions is 0: expected a whole number from 1 to 100000"),
        ({"repetitions": 100_001}, "repetitions is 100001: expected a whole number from 1 to 100000"),
        ({"sizes": [0.1, 0.0005]}, "sizes is 0.0005: expected a number from 0.001 to 1"),
        ({"sizes": "0.1,1.5"}, "sizes is '1.5': expected a number from 0.001 to 1"),
        ({"sizes": "0.1,0.1"}, "sizes is '0.1,0.1': expected numbers from 0.001 to 1, two different ones or more"),
        ({"sizes": "nan,0.1"}, "sizes is 'nan': expected a number from 0.001 to 1"),
        ({"contrasts": ""}, "contrasts is '': expected numbers from 0.001 to 1, two different ones or more"),
        ({"defects": ""}, "no defects in '': expected names, or 'all'"),
        ({"engines": "onx"}, "no engine 'onx'. Did you mean 'onnx'? Available: none, onnx, openvino, torch."),
        ({"sise": 1}, "no setting of a certificate 'sise'. Did you mean 'sizes'? Available: contrasts, corruptions, "
         "defects, engines, images, most, repetitions, seed, sizes, today."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_quoted_with_what_was_expected(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Asked.of(**{"model": "m", "images": "p", **given})
    assert str(caught.value) == said


def test_all_is_replaced_by_names_so_that_later_plugins_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = []

    def choose(kind: Any, text: str) -> list[str]:
        asked_for.append((kind.kind, text))
        return [f"{kind.kind}-a", f"{kind.kind}-b"]

    monkeypatch.setattr(asked_module, "spell", lambda part: f"spelt {part}")
    registry: Any = SimpleNamespace(choose=choose)
    one = Asked.of("m", "p", defects="x,y").named(registry)
    assert one.defects == ("spelt defect-a", "spelt defect-b")
    assert one.corruptions == ("spelt corruption-a", "spelt corruption-b")
    assert one.engines == ("torch", *ENGINES)
    assert Asked.of("m", "p", engines="onnx").named(registry).engines == ("onnx",)
    assert asked_for[:2] == [("defect", "x,y"), ("corruption", "all")]


@dataclass(frozen=True)
class Inner:
    a: int
    b: tuple[float, ...]


def test_values_become_what_json_knows_and_equal_contents_equal_texts() -> None:
    assert plain({"x": Inner(1, (2.0,)), 3: [Inner(4, ())]}) == {"x": {"a": 1, "b": [2.0]}, "3": [{"a": 4, "b": []}]}
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
    with pytest.raises(ValueError, match="JSON"):
        canonical(math.nan)


def written(**found: Any) -> Certificate:
    return Certificate(Asked.of("m", "p", seed=3), {"images": "1"}, found or {"n": 1}, {"cost": [Cost("torch")]})


def test_a_certificate_is_one_line_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    text = written().to_json()
    said = json.loads(text)
    assert text == canonical(said) + "\n"
    digest = said.pop("digest")
    assert digest == digest_of(said)
    assert (said["format"], said["asked"]["seed"], said["found"]) == (1, 3, {"n": 1})
    assert said["measured"]["cost"][0]["engine"] == "torch"
    (tmp_path / "c.json").write_text(text)
    back = certificate.read(tmp_path / "c.json")
    assert back.asked == written().asked
    assert (back.hashes, back.found) == ({"images": "1"}, {"n": 1})
    assert back.to_json() == text


def signed(**changed: Any) -> str:
    said = {key: one for key, one in json.loads(written().to_json()).items() if key != "digest"}
    said = {key: one for key, one in {**said, **changed}.items() if one is not ...}
    return canonical({**said, "digest": digest_of(said)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", " is no certificate: expected what `harness certify` wrote as JSON ("),
        ("[]", " is no certificate: expected what `harness certify` wrote as JSON (it has no findings)"),
        ("{}", " is no certificate: expected what `harness certify` wrote as JSON (it has no findings)"),
        ("[" * 100_000, " is no certificate: expected what `harness certify` wrote as JSON ("),
        (signed(format=2), " has format 2, this harness reads format 1"),
        (signed(format="x" * 60), f" has format '{'x' * 39}, this harness reads format 1"),
        (signed().replace('"seed":3', '"seed":4'), " was altered after it was written: its digest is another"),
        (signed(hashes=...), " is no certificate: it lacks 'hashes'"),
        (signed(asked={"images": "p"}), " is no certificate: it lacks 'model'"),
        (signed(measured=3), " is no certificate: it lacks 'int' object is not iterable"),
    ],
)
def test_what_is_no_certificate_is_told_why(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "c.json"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        certificate.read(file)
    assert str(caught.value).startswith(f"{file}{said}")


def test_a_file_that_is_not_there_or_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        certificate.read(tmp_path)
    assert str(caught.value) == f"no certificate {tmp_path}: expected what `harness certify` wrote"
    file = tmp_path / "c.json"
    with file.open("wb") as opened:
        opened.truncate((32 << 20) + 1)
    with pytest.raises(DataError) as large:
        certificate.read(file)
    assert str(large.value) == f"{file} has more than 32 MiB: expected what `harness certify` wrote"
    monkeypatch.setattr(certificate, "_LARGEST", len(written().to_json()))
    file.write_text(written().to_json())
    assert certificate.read(file).found == {"n": 1}


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        (1.0, 1.0 + 5e-5, True),
        (1.0, 1.0002, False),
        (0.0, 5e-10, True),
        (0.0, 2e-9, False),
        (1.0, 1, True),
        (1, 1.0, False),
        (1.0, True, False),
        (1, 2, False),
        (True, 1, False),
        ("a", "a", True),
        (None, None, True),
        (None, "a", False),
    ],
)
def test_scores_may_differ_in_last_digits_and_nothing_else_may(then: Any, now: Any, same: bool) -> None:
    assert _same(then, now) is same


def test_each_difference_is_told_by_its_place_and_five_at_most() -> None:
    then = written(a={"x": 1, "y": [1, 2]}, b=[1], c="c" * 80)
    now = written(a={"x": 2, "y": [1, 3], "z": 4}, b=[1, 2], c=3)
    told = compared(then, now)
    assert told.differences == (
        "a.x was 1, is 2",
        "a.y[1] was 2, is 3",
        "a.z was None, is 4",
        "b was [1], is [1, 2]",
        f"c was '{'c' * 59}, is 3",
    )
    assert not told.equal
    many = compared(written(a=list(range(8))), written(a=[one + 1 for one in range(8)]))
    assert many.differences[5:] == ("and 3 more",)
    assert len(compared(written(a=[0] * 6), written(a=[1] * 6)).differences) == 6
    assert compared(then, then) == Checked((), ())
    assert compared(then, then).equal
    assert compared(written(a=[1]), written(a={"0": 1})).differences == ("a was [1], is {'0': 1}",)


def test_inputs_that_changed_are_told_by_name() -> None:
    then, now = (
        Certificate(written().asked, hashes, {"n": 1}, {})
        for hashes in ({"images": "1", "model": "2", "gone": "3"}, {"images": "1", "model": "3", "code": "4"})
    )
    assert compared(then, now) == Checked((), ("model", "code"))


def test_each_engine_has_its_times_or_says_why_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def latencies(place: Any, engines: Any, protocol: Protocol, begun: Any) -> Any:
        given.append((engines, protocol))
        begun("nobody hears it")
        if engines == ["onnx"]:
            raise UnavailableError("it cannot be exported")
        yield SimpleNamespace(engine="Torch!", version="2", p50_ms=1.0, p95_ms=2.0, p99_ms=3.0, peak_mb=4.0)

    def engine_of(name: str) -> None:
        if name == "openvino":
            raise UsageError("openvino is not installed")

    monkeypatch.setattr(cost, "latencies", latencies)
    monkeypatch.setattr(cost, "engine_of", engine_of)
    monkeypatch.setattr(cost.hardware, "cores", lambda: 3)
    said: list[str] = []
    found = costs(Place(Path("m")), ["openvino", "torch", "onnx"], 7, said.append)
    assert found == [
        Cost("openvino", problem="openvino is not installed"),
        Cost("Torch!", "2", 1.0, 2.0, 3.0, 4.0),
        Cost("onnx", problem="it cannot be exported"),
    ]
    assert said == ["cost: openvino", "cost: torch", "cost: onnx"]
    assert [engines for engines, _ in given] == [["torch"], ["onnx"]]
    assert given[0][1] == Protocol(1, 10, 7, 3)


def pictures(levels: Any, kinds: Any = None, first: str = "p") -> Images:
    pixels = np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), 4, 4, 3)).copy()
    return Images(pixels, tuple(f"{first}{at}" for at in range(len(levels))), kinds)


class AsUsual(Dataset):
    name = "as_usual"


AsUsual.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


class OfItsOwn(AsUsual):
    name = "own"

    def read(self, file: Path, image_size: int) -> Any:
        raise NotImplementedError


def model(dataset: Any = AsUsual, known: Any = (), fingerprint: str = "", limit: float = 5.0, **more: Any) -> Any:
    """One whose score of a photo is its mean grey level."""
    trial = SimpleNamespace(resize=more.pop("resize", "stretch"), image_size=4)
    saved = SimpleNamespace(
        trial=trial, known=frozenset(known), fingerprint=fingerprint, depth=12, chosen=more.pop("chosen", None), **more
    )
    return SimpleNamespace(
        saved=saved,
        dataset=dataset(),
        limit=limit,
        pool="mean",
        decide=lambda pixels: SimpleNamespace(scores=pixels.mean(axis=(1, 2, 3))),
    )


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What lies in the folder that photos are read from."""
    content: dict[str, Any] = {
        "split": Split(pictures([1, 2, 3]), pictures([4, 5, 90, 91], ("good", "good", "dent", "dent"), "t"))
    }

    def one_part(*given: Any) -> Any:
        content["asked"] = given
        return "data set", Path("root"), "parts"

    def load(*given: Any) -> Split:
        content["loaded"] = given
        found: Split = content["split"]
        return found

    monkeypatch.setattr(photos_module, "photos_of_one_part", one_part)
    monkeypatch.setattr(photos_module, "load", load)
    return content


def of(detector: Any, **given: Any) -> Photos:
    return photos_of(detector, "registry", Path("place"), **given)  # type: ignore[arg-type]


def test_normal_photos_of_both_sides_count_that_the_model_does_not_know_by_their_pixels(folder: dict[str, Any]) -> None:
    known = [digest_of_pixels(pictures([level]).pixels[0]) for level in (2, 90)]
    found = of(model(known=known, chosen=Chosen(2, 0.1, bad=(known[1],))))
    assert folder["asked"] == ("registry", Path("place"), "a model")
    assert folder["loaded"] == ("data set", "parts", 4)
    assert found.unseen.pixels[:, 0, 0, 0].tolist() == [1, 3, 4, 5]
    assert found.unseen.paths == ("p0", "p2", "t0", "t1")
    assert found.bad.pixels[:, 0, 0, 0].tolist() == [91], "the other one chose the detector"
    assert (found.left_out, found.bad_left_out, found.told_by) == (1, 1, "pixels")
    split = folder["split"]
    every = [
        (digest_of_pixels(pixels), kind)
        for part in (split.train, split.test)
        for pixels, kind in zip(part.pixels, part.defects, strict=True)
    ]
    assert found.sha256 == hashlib.sha256(repr(sorted(every)).encode()).hexdigest()


def test_an_older_model_is_told_by_the_fingerprint_of_its_data_or_by_nothing(folder: dict[str, Any]) -> None:
    folder["split"] = Split(pictures([1, 2, 3]), pictures([4, 5, 6, 7, 90], ("good",) * 4 + ("dent",), "t"))
    same = of(model(fingerprint=folder["split"].fingerprint))
    assert (same.told_by, same.left_out, len(same.unseen)) == ("fingerprint", 3, 4)
    other = of(model(fingerprint="another"))
    assert (other.told_by, other.left_out, len(other.unseen), len(other.bad)) == ("nothing", 0, 7, 1)


def test_photos_of_a_validation_split_count_too_and_equal_names_are_numbered(folder: dict[str, Any]) -> None:
    folder["split"] = Split(pictures([1, 2]), pictures([3, 90], ("good", "dent")), calibration=pictures([6]))
    found = of(model())
    assert found.unseen.pixels[:, 0, 0, 0].tolist() == [1, 2, 3, 6]
    assert found.unseen.paths == ("0:p0", "1:p1", "2:p0", "3:p0")


@pytest.mark.parametrize(
    ("levels", "known", "given", "said"),
    [
        ([1, 2], [], {}, "place holds 2 normal photos: a certificate takes at least 4, so add 2"),
        ([1, 2, 3], [1], {}, "place holds 2 normal photos that the model never saw (1 it knows): a certificate takes at least 4, so add 2"),
        ([1, 2, 3], [], {"what": "photos of today"}, "place holds 3 photos of today: a certificate takes at least 4, so add 1"),
        ([1, 2], [1, 2], {}, "all 2 normal photos in place were used to fit the model or to set its limit, so they cannot say how far it can be trusted: give at least 4 that it never saw"),
        ([], [], {}, "place holds 0 normal photos: a certificate takes at least 4, so add 4"),
    ],
)  # fmt: skip
def test_too_few_photos_are_told_with_how_many_to_add(
    folder: dict[str, Any], levels: list[int], known: list[int], given: dict[str, Any], said: str
) -> None:
    folder["split"] = Split(pictures(levels), pictures([90], ("dent",), "t"))
    seen = [digest_of_pixels(pictures([level]).pixels[0]) for level in known] or ["none of these"]
    with pytest.raises(DataError) as caught:
        of(model(known=seen), **given)
    assert str(caught.value) == said


def test_a_model_that_reads_files_otherwise_gets_no_certificate(folder: dict[str, Any]) -> None:
    with pytest.raises(ModelError) as padded:
        of(model(resize="pad"))
    assert str(padded.value) == (
        "this model takes photos with --resize pad, and certificates are made of photos of one square size: fit it "
        "with --resize stretch, with --tiles if need be"
    )
    with pytest.raises(ModelError) as own:
        of(model(OfItsOwn))
    assert str(own.value) == (
        "data set 'own' reads files in a way of its own, which folders of photos are not read by: no certificate can "
        "be made of this model"
    )
    split = Split(pictures([1, 2, 3, 4]), pictures([90], ("dent",)), modes=("RGB", "I;16"), depth=16)
    folder["split"] = split
    with pytest.raises(DataError) as depth:
        of(model())
    assert str(depth.value) == (
        "grey photos in place use 16 bits, and the model was fitted to 12: expected photos of the same camera setting"
    )
    for fine in ({"modes": ("RGB", "L")}, {"depth": 12}):
        folder["split"] = certify_replace(split, **fine)
        assert len(of(model()).unseen) == 4


def certify_replace(split: Split, **changed: Any) -> Split:
    from dataclasses import replace

    return replace(split, **changed)


def test_photos_are_scored_a_batch_at_a_time_and_are_alarms_above_the_limit() -> None:
    sizes: list[int] = []

    def decide(pixels: Any) -> Any:
        sizes.append(len(pixels))
        return SimpleNamespace(scores=pixels.mean(axis=(1, 2, 3)))

    detector: Any = SimpleNamespace(decide=decide, limit=5.0)
    found = scores_of(detector, iter(pictures(range(130)).pixels))
    assert found.tolist() == list(range(130))
    assert sizes == [64, 64, 2]
    assert alarms_of(detector, pictures([4, 5, 6]).pixels).tolist() == [False, False, True]
    assert scores_of(detector, []).shape == (0,)


def photos(unseen: Any = (1, 2, 3, 4, 5, 6, 7, 8), bad: Any = (90, 91), **more: Any) -> Photos:
    given = {"left_out": 2, "bad_left_out": 0, "told_by": "pixels", "sha256": "abc", **more}
    return Photos(pictures(list(unseen)), pictures(list(bad), ("dent",) * len(bad), "b"), **given)


def test_some_photos_are_drawn_by_the_seed_and_stay_in_their_order() -> None:
    among = np.array([False, True, True, True, False, True, True, True])
    drawn = certify._drawn(photos().unseen, among, Asked.of("m", "p", most=4, seed=1))
    levels = drawn.pixels[:, 0, 0, 0].tolist()
    assert len(levels) == 4
    assert levels == sorted(levels)
    assert set(levels) < {2, 3, 4, 6, 7, 8}
    seen = {tuple(certify._drawn(photos().unseen, among, Asked.of("m", "p", most=4, seed=at)).paths) for at in range(9)}
    assert len(seen) > 1
    every = certify._drawn(photos().unseen, among, Asked.of("m", "p"))
    assert every.pixels[:, 0, 0, 0].tolist() == [2, 3, 4, 6, 7, 8]


def test_what_photos_there_were_is_counted() -> None:
    usual = {"unseen": 8, "left_out": 2, "told_by": "pixels", "bad": 2, "today": 0}
    assert certify._counts(photos(), None) == usual
    assert certify._counts(photos(bad_left_out=3), photos((1, 2))) == {**usual, "today": 2, "bad_left_out": 3}
    scores = certify._scores(model(), photos(), photos((7, 9)))
    assert {name: one.tolist() for name, one in scores.items()} == {
        "unseen": [1, 2, 3, 4, 5, 6, 7, 8],
        "bad": [90, 91],
        "today": [7, 9],
    }
    assert certify._scores(model(), photos(), None).keys() == {"unseen", "bad"}


def kept(**more: Any) -> Any:
    trial = SimpleNamespace(
        model="knn", encoder="conv", loss="-", weights="random", category="parts", image_size=4, resize="stretch"
    )
    saved = SimpleNamespace(id="0123", trial=trial, chosen=None, weights_hash="w" * 8, **more)
    found = model()
    found.saved, found.remarks, found.pools = saved, ("a remark",), {"mean": 3}
    return found


def test_the_model_is_described_with_how_it_was_chosen_if_it_was() -> None:
    one = kept()
    usual = {
        "id": "0123",
        "parts": ["knn", "conv", "-"],
        "weights": "random",
        "category": "parts",
        "image_size": 4,
        "pool": "mean",
        "remarks": ["a remark"],
    }
    assert certify._described(one) == usual
    one.saved.chosen = Chosen(3, 0.1, painted=True)
    assert certify._described(one) == {**usual, "chosen": {"among": 3, "painted": True}}


def test_the_digests_are_of_photos_model_weights_code_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / DESCRIPTION).write_bytes(b"{}")
    monkeypatch.setattr(certify.hardware, "machine", lambda device: {"device": device})
    found = certify._hashes(tmp_path, kept(), photos(), photos(sha256="now"), {"harness": "1"})
    assert found == {
        "images": "abc",
        "today": "now",
        "model": hashlib.sha256(b"{}").hexdigest(),
        "weights": "w" * 8,
        "code": digest_of({"harness": "1"}),
        "machine": digest_of({"device": "cpu"}),
    }
    assert certify._hashes(tmp_path, kept(), photos(), None, {})["today"] == ""
    monkeypatch.setattr(certify.provenance, "makers", lambda *_: SimpleNamespace(code={"model": "m"}))
    monkeypatch.setattr(certify.provenance, "code_of", lambda name: f"code of {name}")
    part = AsUsual()
    code = certify._code(kept(), "registry", [part])  # type: ignore[arg-type]
    assert code.pop("model") == "m"
    assert code == {name: f"code of {name}" for name in {type(part).__module__.partition(".")[0], "builtins"}}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """All steps of a certificate as functions that note what they are given."""
    given: dict[str, Any] = {"detector": kept(), "photos": photos(), "today": photos((7, 9), bad=())}
    (tmp_path / DESCRIPTION).write_bytes(b"{}")
    given["place"] = Place(tmp_path)

    def noting(name: str, result: Any) -> Any:
        def step(*arguments: Any) -> Any:
            given.setdefault(f"given to {name}", []).append(arguments)
            return result(*arguments) if callable(result) else result

        return step

    monkeypatch.setattr(certify, "load", noting("load", lambda *_: given["detector"]))
    monkeypatch.setattr(certify, "calibration_of", noting("calibration_of", None))
    monkeypatch.setattr(
        certify, "photos_of", noting("photos_of", lambda *a: given["today" if len(a) > 3 else "photos"])
    )
    monkeypatch.setattr(certify, "smallest_found", noting("smallest", ["rungs"]))
    monkeypatch.setattr(certify, "some_of_each", noting("some_of_each", lambda defects, normal, seed: normal.pixels))
    monkeypatch.setattr(certify, "what_breaks", noting("what_breaks", ["broken"]))
    monkeypatch.setattr(certify, "guarantee", noting("guarantee", "a guarantee"))
    monkeypatch.setattr(certify, "costs", noting("costs", ["a cost"]))
    monkeypatch.setattr(certify, "_code", noting("code", {"harness": "1"}))
    monkeypatch.setattr(asked_module, "spell", str)
    return given


REGISTRY: Any = SimpleNamespace(choose=lambda kind, text: [f"{kind.kind} of {text}"])


def test_a_certificate_goes_through_its_steps_and_says_how_far_it_is(steps: dict[str, Any]) -> None:
    said: list[str] = []
    asked = Asked.of("m", "folder", today="now", most=4, seed=2, engines="torch", repetitions=7)
    found = certify.certified(steps["place"], asked, REGISTRY, said.append)
    assert said == ["8 normal photos that the model never saw, 2 bad ones"]
    assert steps["given to load"] == [(steps["place"].directory, REGISTRY, "cpu", None)]
    assert [given[2:] for given in steps["given to photos_of"]] == [
        (Path("folder"),), (Path("now"), "photos of today")
    ]  # fmt: skip
    ((_, passing, defects, sizes, contrasts, seed, _),) = steps["given to smallest"]
    assert passing.pixels[:, 0, 0, 0].max() <= 5, "only what is called normal is painted on, the limit too"
    assert (len(passing), defects, sizes, contrasts, seed) == (4, ["defect of defect of all"], SIZES, CONTRASTS, 2)
    ((_, normal, bad, corruptions, seed, _),) = steps["given to what_breaks"]
    assert (len(normal), bad[:, 0, 0, 0].tolist(), seed) == (4, [90, 91], 2)
    assert corruptions == ["corruption of corruption of all"]
    ((_, scores, seed),) = steps["given to guarantee"]
    assert (scores.keys(), seed) == ({"unseen", "bad", "today"}, 2)
    assert steps["given to costs"][0][1:3] == (("torch",), 7)
    assert found.found == {
        "model": certify._described(steps["detector"]),
        "photos": {"unseen": 8, "left_out": 2, "told_by": "pixels", "bad": 2, "today": 2, "painted": 4},
        "smallest": ["rungs"],
        "breaks": {
            "normal": 4,
            "bad": 2,
            "bad_are": "real",
            "severities": SEVERITIES,
            "corruptions": ["broken"],
        },
        "guarantee": "a guarantee",
    }
    assert found.asked.defects == ("defect of all",)
    assert found.measured["cost"] == ["a cost"]
    assert found.measured["machine"] == certify.hardware.machine("cpu")
    assert found.measured["versions"] == certify.provenance.versions()
    assert found.measured["written"].endswith("+00:00")
    assert found.hashes["images"] == "abc"
    assert steps["given to code"][0][2] == ["defect of defect of all", "corruption of corruption of all"]


def test_without_bad_photos_painted_ones_take_their_place(steps: dict[str, Any]) -> None:
    steps["photos"] = photos((1, 2, 3, 4, 5), bad=())
    found = certify.certified(steps["place"], Asked.of("m", "folder"), REGISTRY, lambda line: None)
    ((_, _, bad, *_),) = steps["given to what_breaks"]
    assert bad[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]
    assert (found.found["breaks"]["bad"], found.found["breaks"]["bad_are"]) == (5, "painted")
    assert found.found["photos"]["today"] == 0
    assert len(steps["given to photos_of"]) == 1


def test_of_many_bad_photos_some_are_drawn_in_their_order(steps: dict[str, Any]) -> None:
    steps["photos"] = photos(bad=range(60, 90))
    certify.certified(steps["place"], Asked.of("m", "folder", most=6), REGISTRY, lambda line: None)
    ((_, _, bad, *_),) = steps["given to what_breaks"]
    levels = bad[:, 0, 0, 0].tolist()
    assert len(levels) == 6
    assert levels == sorted(levels)
    assert levels != [60, 61, 62, 63, 64, 65]
    assert "given to some_of_each" not in steps


def test_too_few_photos_below_the_limit_are_no_ground_to_paint_on(steps: dict[str, Any]) -> None:
    steps["photos"] = photos((1, 2, 3, 9, 9, 9))
    with pytest.raises(DataError) as caught:
        certify.certified(steps["place"], Asked.of("m", "folder"), REGISTRY, lambda line: None)
    assert str(caught.value) == (
        "3 of 6 normal photos that the model never saw are called normal: defects are painted on such, and at least 4 "
        "are needed; the limit is of no use for these photos"
    )
    steps["photos"] = photos((1, 2, 3, 5, 9, 9))
    assert (
        certify.certified(steps["place"], Asked.of("m", "folder"), REGISTRY, lambda line: None).found["photos"][
            "painted"
        ]
        == 4
    )
