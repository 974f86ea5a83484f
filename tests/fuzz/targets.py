"""What is fuzzed: each reader of ours that takes what strangers wrote, with real inputs and the words of its language."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from mutation import Mutator
from PIL import Image

from harness import UsageError, running
from harness.api import Part, Threshold
from harness.commands import run
from harness.commands._settings import settings_of
from harness.deployment.loading import load as load_model
from harness.downloading import unpack
from harness.images.decoding import read_image, strict_pillow
from harness.images.masks import read_mask
from harness.plugin.in_process import choose
from harness.plugin.registry import KINDS, Registry
from harness.published import check
from harness.published import read as read_table
from harness.published.reading import folder as published_folder
from harness.report.findings import findings_document
from harness.report.formats import render
from harness.report.leaderboard import leaderboard_document
from harness.trials.data_defaults import settings_of_data
from harness.trials.grid import plan
from harness.trials.presets import with_preset
from harness.trials.record import Record
from harness.trials.saved_model import DESCRIPTION, WEIGHTS, SavedModel
from harness.trials.saved_model import write as save_model
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import read, row_of, verdict_of, write
from harness.verdicts.judging import judge
from harness.verdicts.merging import merge
from harness_datasets.real_iad import _items as described_images
from harness_datasets.table import TableDataset

_FOR_GOOD = ExitStack()
STYLES = ("rich", "md", "latex", "csv", "excel", "json")


@dataclass(frozen=True)
class Target:
    """One reader."""

    read: Callable[[Path], object]
    """Takes a file, and makes of what it holds what its commands make of it. May raise HarnessErrors."""
    seeds: Sequence[bytes]
    words: Sequence[bytes]
    suffix: str = ""
    mend: Callable[[bytes, random.Random], bytes] | None = None

    def mutator(self, seed: int) -> Mutator:
        return Mutator(self.seeds, self.words, seed, self.mend)


NUMBERS = (
    b"0", b"1", b"-1", b"0.5", b"0.80", b"1.0", b"1e999", b"-1e999", b"nan", b"inf", b"1e-400", b"2147483648",
    b"9" * 30, b"9" * 5000, b"0x10", b"1_000", b"\xd9\xa3", b"true", b"false", b"null", b"none", b"NaN",
)  # fmt: skip
TEXTS = (
    b"", b" ", b"-", b"all", b"mean", b"a b", b"<script>", b"=1+1", b"\x1b[31m", b"\xff\xfe", b"\xc3\xa9", b"\n", b"\r\n",
    b"../../etc/passwd", b"\xed\xb3\xbf", b"\0", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"x" * 300, b"[" * 200, b"'", b'"', b"\\",
    b"{}", b"[]", b",", b";", b"=", b"#", b"]", b"%s", b"{0}", b"[/red]",
)  # fmt: skip


def images() -> Target:
    """Small images of every format and mode that cameras and editors write."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    sixteen = Image.fromarray(rng.integers(0, 2**16, (7, 9), dtype=np.uint16))
    side = Image.Exif()
    side[0x0112] = 6
    two = {"save_all": True, "append_images": [photo.transpose(Image.Transpose.ROTATE_180)]}
    modes = [photo.convert(mode) for mode in ("1", "L", "LA", "P", "RGBA")]
    ways = [
        *(("PNG", image, {}) for image in (*modes, photo, sixteen)),
        ("PNG", photo, {"exif": side}),
        ("PNG", photo.convert("P"), {"transparency": bytes(200)}),
        ("PNG", photo, two),
        *(("JPEG", photo.convert(mode), {}) for mode in ("L", "RGB", "CMYK")),
        ("JPEG", photo, {"exif": side, "progressive": True}),
        *(("TIFF", photo.convert(mode), {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK")),
        *(("TIFF", photo, {"compression": name}) for name in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")),
        ("TIFF", sixteen, {}),
        ("TIFF", photo.convert("F"), {}),
        ("TIFF", photo, two),
        *(("BMP", photo.convert(mode), {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        ("GIF", photo, two),
        ("GIF", photo.convert("L"), {}),
        ("WEBP", photo, {"lossless": True}),
        ("WEBP", photo.convert("RGBA"), two),
        ("PNG", photo.crop((0, 0, 1, 1)), {}),
    ]
    seeds = []
    for form, image, options in ways:
        written = io.BytesIO()
        image.save(written, form, **options)
        seeds.append(written.getvalue())

    _FOR_GOOD.enter_context(strict_pillow())  # this process does nothing else

    def load(path: Path) -> None:
        image = read_image(path, 16)
        assert image.pixels.shape == (16, 16, 3)
        assert image.pixels.dtype == np.uint8
        if path.stat().st_size % 4 == 0:
            mask = read_mask([path], 16, path, image)
            assert mask.pixels.max() <= 1

    return Target(load, seeds, (), ".png", _sealed_png)


def _sealed_png(data: bytes, rng: random.Random) -> bytes:
    """A PNG whose chunks have their right sums again; at times with other rows, packed as they should be."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out, at = [data[:8]], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IDAT" and rng.random() < 0.3:
            body = zlib.compress(rng.randbytes(rng.choice((1, 60, 3000))))
        out.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
        at += 12 + length
    return b"".join(out)


def parts() -> Target:
    """How parts of every kind are spelt on a command line."""
    registry = Registry.discover()
    spelt = [f"{kind} {name}" for kind, part in KINDS.items() for name in registry.offers(part)]
    spelt += [
        "model cae[latent_dim=64,penalty=forward,probes=2]",
        "model dae[noise=gaussian,level=0.1,widths=8-8-8-8],cae",
        "encoder timm[name=resnet18.tv_in1k,reduction=8],conv[widths=32-64-128-128]",
        "loss ssim[window=7],perceptual[encoder=vgg16.tv_in1k,reductions=2-4]",
        "threshold quantile[q=0.99],mean_std[k=3],all",
        "dataset folder",
    ]

    def choose(path: Path) -> None:
        kind, _, text = path.read_bytes().decode("utf-8", "surrogateescape").partition(" ")
        part: type[Part] | None = KINDS.get(kind)
        for offered in [part] if part else KINDS.values():
            registry.choose(offered, text)

    return Target(choose, [text.encode() for text in spelt], (*NUMBERS, *TEXTS, *(text.encode() for text in spelt)))


def configurations() -> Target:
    """What `--config` reads, and what `harness run` plans with it."""
    registry = Registry.discover()
    seeds = [
        b'models = "dae,cae"\nencoders = ["conv", "vgg16"]\nepochs = 3\nlr = 1e-3\nquiet = true\n',
        b'dataset = "synthetic"\ncategories = ["tile"]\nseeds = [0, 1]\nholdout = 0.25\nweights = "random"\n',
        b'thresholds = ["mean", "quantile[q=0.9]"]\npools = "all"\nimage-size = 64\nbatch_size = 8\nstore = "x"\n',
        b'models = "dae[noise=gaussian,level=0.2]"\nlosses = "ssim[window=7]"\nplugin = ["a.py"]\ndevice = "cpu"\n',
    ]
    names = [option.lstrip("-").encode() for parameter in run.command.params for option in parameter.opts]

    reading = click.Context(run.command)
    (config,) = (parameter for parameter in run.command.params if parameter.name == "config")

    def configure(path: Path) -> None:
        config.callback(reading, config, path)  # first by itself: it refuses most, and click takes a while to start
        try:
            given = run.command.make_context("run", ["--config", str(path)]).params
        except click.ClickException as error:
            raise UsageError(error.format_message()) from error
        here = {"device": "cpu", "precision": "fp32", "data_root": None, "weights_dir": None}
        settings = replace(settings_of(given), **here)
        choose(registry, Threshold, settings.thresholds)
        dataset = running._dataset(registry, settings)
        of_data = settings_of_data(settings, dataset)
        settings, _ = with_preset(settings, dataset, registry, of_data["image_size"])
        list(plan(running._axes(registry, settings, "cpu", dataset, of_data)))

    more = [b"dae", b"cae", b"conv", b"mse", b"tile", b"[[a]]", b"1979-05-27", b"0.1", b"[1]", b"{a=1}", b"'''", b"[a]"]
    return Target(configure, seeds, (*NUMBERS, *TEXTS, *names, *more), ".toml")


def _styles(path: Path) -> Sequence[str]:
    """How an accepted file is shown; rarely as rich text, which takes ten times as long as all the rest."""
    return STYLES if path.stat().st_size % 16 == 0 else STYLES[1:]


def _checked(path: Path) -> None:
    table = read_table(path)
    checked = [(table, check(table))]
    for style in _styles(path):
        render(findings_document(checked), style)


def toml_tables() -> Target:
    """Published tables as TOML."""
    seeds = [
        b'title = "A"\nsource = "S"\nread = "first hand"\nread_in = "p"\ndataset = "mine"\nmetrics = ["accuracy", "f1"]\n'
        b'track = "normal-only"\nscale = 1\ndigits = 2\nnote = "n"\nprotocol.setting = "one-class"\n'
        b'protocol.image_size = 128\nprotocol.backbone = "none"\n'
        b"splits.bolt = { train = 30, normal = 10, abnormal = 20 }\nrows = [\n"
        b' { category = "bolt", model = "dae", accuracy = "0.80", f1 = 0.9, n_normal = 5, n_abnormal = 6 },\n'
        b' { category = "bolt", model = "cae", accuracy = 0.90, f1 = "" },\n'
        b' { category = "mean", model = "dae", accuracy = 0.80, f1 = 0.9, over = 1 },\n]\n',
        b'title = "A"\nsource = "S"\nread = "second hand"\nread_in = "p"\ndataset = "mvtec_ad"\nmetrics = ["normal_rate",'
        b' "abnormal_rate", "balanced_accuracy"]\ntrack = "none"\nscale = 100\nprotocol.setting = "by row"\n'
        b'protocol.image_size = "by row"\nprotocol.backbone = "x"\nrows = [ { category = "bottle", model = "dae", '
        b'encoder = "conv", loss = "mse", setting = "one-class", image_size = 256, normal_rate = 70, abnormal_rate = '
        b"80.5, balanced_accuracy = 75 } ]\n",
    ]
    words = _words_of(*(file.read_bytes()[:3000] for file in sorted(published_folder().glob("*.toml"))), *seeds)
    return Target(_checked, seeds, (*NUMBERS, *TEXTS, *words), ".toml")


def csv_tables() -> Target:
    """Published tables as anybody's spreadsheet writes them."""
    seeds = [
        b"category,model,auroc\nbolt,dae,0.91\nnut,dae,0.5\nmean,dae,0.70\n",
        b"\xef\xbb\xbfcategory,model,accuracy,normal_rate,abnormal_rate,n_normal,n_abnormal\r\nbolt,dae,0.80,0.5,0.9,10,20\r\n",
        b"category;model;accuracy;f1\nbolt;dae;0,80;0,81\n",
        b"dataset\tcategory\tmodel\tf1\tscale\tdigits\nmvtec_ad\tbottle\tdae\t80\t100\t2\n",
        b'Category , MODEL,"accuracy",track,encoder,loss,image_size,seed\n"bolt", dae ,0.80,normal-only,conv,mse,64,0\n,,,,,,,\n',
        b"category,model,accuracy,n_normal,n_abnormal,right_normal,right_abnormal\nbolt,dae,0.8,10,20,9,15\n",
    ]
    return Target(_checked, seeds, (*NUMBERS, *TEXTS, *_words_of(*seeds), b",,", b'""', b"\r"), ".csv")


def image_tables() -> Target:
    """Tables that list one's own images; only names are read, and no image is opened."""
    seeds = [
        b"image,label,split\na/1.png,good,train\na/2.png,ng,test\n",
        b"image;label;split;defect;mask;category\na/1.png;OK;train;;;bolt\na/2.png;1;test;crack;a/1.png;bolt\n",
        b'\xef\xbb\xbfImage\tlabel\tsplit\n"a/1.png"\tnormal\tcalibration\n',
    ]
    words = (*TEXTS, *_words_of(*seeds), b",,", b"/etc/passwd", b"..", b"C:\\x.png", b"train", b"\r")
    return Target(_listed, seeds, words, ".csv")


def _listed(path: Path) -> None:
    _images_beside(path.parent / "a")
    dataset = TableDataset(file=path.name)
    dataset.root = path.parent
    for name, folder in dataset.find(path.parent).items():
        dataset._category(name, folder).check()


def _images_beside(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("1.png", "2.png"):
        (folder / name).touch()


def descriptions() -> Target:
    """Descriptions of Real-IAD's categories."""
    entries = [
        {"category": "a", "anomaly_class": kind, "image_path": image, "mask_path": mask}
        for kind, image, mask in (("OK", "1.png", None), ("HS", "2.png", "1.png"))
    ]
    seeds = [json.dumps({"meta": {"prefix": "a/"}, "train": entries[:1], "test": entries}).encode()]
    return Target(_described_images, seeds, (*NUMBERS, *TEXTS, *_words_of(*seeds), b"..", b"/etc/passwd"), ".json")


def _described_images(path: Path) -> None:
    _images_beside(path.parent / "a")
    for split in ("train", "test"):
        described_images(path, path.parent, "a", split)


def archives() -> Target:
    """Archives of a data set, small ones of each form."""
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01/train/ok/1.bmp", b"1" * 200)
        archive.writestr("01/test/", b"")
    with tarfile.open(fileobj=tarred, mode="w") as made:
        entry = tarfile.TarInfo("01/train/ok/1.bmp")
        entry.size = 200
        made.addfile(entry, io.BytesIO(b"1" * 200))
    seeds = [zipped.getvalue(), tarred.getvalue()[:2048]]
    return Target(
        _unpacked, seeds, (b"../", b"/", b"\0", b"\\", b"2", b"1", b"\xff" * 4, b"PK\x05\x06", b"ustar"), ".zip"
    )


def _unpacked(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        unpack(path, Path(folder))


def results() -> Target:
    """What another machine exported."""
    trial = Trial("dots", "bottle", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.0, "fp32", "-")
    scores = np.array([0.1, 0.6, 0.7, 0.4])
    evidence = Evidence({"mean": scores[:1]}, {"mean": scores}, ("good", "good", "crack", "hole"), tuple("abcd"))
    record = Record(
        default_pool="mean", fit_seconds=1.5, n_train=9, plugins={"model": "x 1.0"}, loss_history=(0.5, 0.25),
        pixels={"aupro_0.30": 0.5, "pixel_auroc": 0.75, "pixel_average_precision": 0.25},
        versions={"torch": "2"}, machine={"cpu": "x"}, finished_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    made = [
        Outcome(trial, "done", "", "f00d", evidence, record),
        Outcome(trial._replace(model="cae"), "error", "loss is nan", "f00d"),
    ]
    thresholds = Registry.discover().choose(Threshold, "mean")
    rows = [row_of(verdict) for outcome in made for verdict in judge(outcome, thresholds)]

    def take(path: Path) -> None:
        merged = merge([("ours", rows), ("theirs", read(path).rows)])
        verdicts = [verdict_of(row) for row in merged.rows]
        write(merged.rows)
        for style in _styles(path):
            render(leaderboard_document(verdicts), style)

    lines = [json.dumps(row).encode() for row in rows]
    return Target(
        take, [*(line + b"\n" for line in lines), b"\n".join(lines)], (*NUMBERS, *TEXTS), ".jsonl", _identified
    )


_VALUES: list[Any] = [
    "", "x", "all", "../..", "\udcff", "done", -1, 0, 1, 2, 10**9, 10**400, 0.5, -0.5, 1e308, None, True, [], {}, [1], [[]],
    ["a"], {"a": [1, 2]}, {"a": ["b", {}]}, {"": 0},
]  # fmt: skip


def _identified(data: bytes, rng: random.Random) -> bytes:
    """A row with a value exchanged, and the name that its trial then has."""
    try:
        row = json.loads(data)
        row[rng.choice(sorted(row))] = rng.choice(_VALUES)
        row["trial"] = Trial.read({name: row[name] for name in Trial._fields}).identity(row["fingerprint"])
        return json.dumps(row).encode()
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return data


def models() -> Target:
    """A directory that `harness run --keep-models` wrote: its description and its weights, one after the other."""
    dots = Path(__file__).parents[1] / "plugin_files" / "dots.py"
    registry = Registry.discover([dots])
    trial = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")
    calibration = {"mean": np.array([0.1, 0.2]), "max": np.array([0.5, 0.7])}
    saved = SavedModel(
        trial,
        "f" * 16,
        "mean",
        "mean",
        0.2,
        calibration,
        ("16x16",),
        ("RGB",),
        1,
        {"model": "dots.py 1"},  # and no path, so that a seed makes the same inputs in every checkout
        {"numpy": "2"},
    )
    state = {"centre": np.linspace(0, 1, 16 * 16 * 3, dtype=np.float16).reshape(16, 16, 3)}
    with tempfile.TemporaryDirectory() as folder:
        kept = save_model(saved, state, Path(folder))
        seed = _SPLIT.join((kept / name).read_bytes() for name in (DESCRIPTION, WEIGHTS))
    pixels = np.zeros((2, 16, 16, 3), np.uint8)

    def use(path: Path) -> None:
        said, _, weights = path.read_bytes().partition(_SPLIT)
        directory = path.parent / "model"
        directory.mkdir(exist_ok=True)
        (directory / DESCRIPTION).write_bytes(said)
        (directory / WEIGHTS).write_bytes(weights)
        detector = load_model(directory, registry)
        if detector.saved.trial.image_size == 16:
            detector.decide(pixels)

    return Target(use, [seed], (*NUMBERS, *TEXTS, b"F32", b"F64", b"BOOL", b"mean_image", b"dots"), "", _signed)


_SPLIT = b"\n\0"


def _signed(data: bytes, rng: random.Random) -> bytes:
    """A description whose digests are those of what it says and of the weights, at times with a value exchanged."""
    said, split, weights = data.partition(_SPLIT)
    try:
        found = json.loads(said)
        if rng.random() < 0.7:
            _exchange(found, rng)
        trial = found["trial"]
        if rng.random() < 0.8:
            found["id"] = Trial.read(trial).identity(found["fingerprint"])
        found["weights_sha256"] = hashlib.sha256(weights).hexdigest()
        found.pop("digest", None)
        found["digest"] = hashlib.sha256(json.dumps(found, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        return json.dumps(found).encode() + split + weights
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return data


def _exchange(found: Any, rng: random.Random) -> None:
    """Put another value somewhere into a tree of JSON."""
    name = rng.choice(list(found) if isinstance(found, dict) else range(len(found)))
    if isinstance(found[name], dict | list) and found[name] and rng.random() < 0.6:
        _exchange(found[name], rng)
    else:
        found[name] = rng.choice(_VALUES)


def _words_of(*texts: bytes) -> list[bytes]:
    return sorted({word for text in texts for word in text.replace(b'"', b" ").replace(b",", b" ").split()})


TARGETS: dict[str, Callable[[], Target]] = {
    "image": images,
    "parts": parts,
    "config": configurations,
    "toml": toml_tables,
    "csv": csv_tables,
    "image_table": image_tables,
    "description": descriptions,
    "archive": archives,
    "results": results,
    "model": models,
}
