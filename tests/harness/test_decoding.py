"""Any image a camera, an editor or an attacker may write becomes RGB bytes, or an error that names the file."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from harness import DataError, UsageError
from harness.images import heic
from harness.images.decoding import FileFacts, form_of, grey_depth, most_pixels, read_image, strict_pillow
from harness.images.foreground import foreground
from harness.images.masks import read_mask
from harness_datasets.folders import FolderDataset


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    with strict_pillow():
        yield


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG from raw rows, for depths that Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def photo(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def colour_of(path: Path, size: int = 8) -> tuple[int, ...]:
    """The one colour of an image that has no other."""
    pixels = read_image(path, size).pixels
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == pixels[0, 0]).all()
    return tuple(int(value) for value in pixels[0, 0])


GREY16 = np.full((5, 7), 200 * 257, dtype=np.uint16)
PALETTE = Image.new("P", (7, 5), 3)
PALETTE.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 10, 200, 30])


@pytest.mark.parametrize(
    ("form", "image", "expected"),
    [
        ("PNG", Image.new("L", (7, 5), 77), (77, 77, 77)),
        ("PNG", Image.new("1", (7, 5), 1), (255, 255, 255)),
        ("PNG", PALETTE, (10, 200, 30)),
        ("PNG", Image.new("RGB", (7, 5), (1, 2, 3)), (1, 2, 3)),
        ("PNG", Image.new("RGBA", (7, 5), (200, 100, 50, 255)), (200, 100, 50)),
        ("PNG", Image.new("RGBA", (7, 5), (200, 100, 50, 0)), (200, 100, 50)),
        ("PNG", Image.new("LA", (7, 5), (90, 255)), (90, 90, 90)),
        ("PNG", Image.fromarray(GREY16), (200, 200, 200)),
        ("TIFF", Image.fromarray(GREY16), (200, 200, 200)),
        ("TIFF", Image.new("CMYK", (7, 5), (0, 255, 255, 0)), (255, 0, 0)),
        ("TIFF", Image.new("RGB", (7, 5), (1, 2, 3)), (1, 2, 3)),
        ("BMP", Image.new("RGB", (7, 5), (1, 2, 3)), (1, 2, 3)),
        ("WEBP", Image.new("RGB", (7, 5), (1, 2, 3)), (1, 2, 3)),
        ("GIF", Image.new("P", (7, 5), 0), (0, 0, 0)),
        ("JPEG", Image.new("L", (7, 5), 77), (77, 77, 77)),
        ("PNG", Image.new("RGB", (1, 1), (4, 5, 6)), (4, 5, 6)),
    ],
    ids=lambda value: f"{value.mode}-{value.width}x{value.height}" if isinstance(value, Image.Image) else None,
)
def test_every_mode_becomes_rgb(tmp_path: Path, form: str, image: Image.Image, expected: tuple[int, ...]) -> None:
    path = tmp_path / "image"
    path.write_bytes(encoded(image, form, **({"lossless": True} if form == "WEBP" else {})))
    assert colour_of(path) == expected


def test_cmyk_jpeg_of_pure_red_is_red(tmp_path: Path) -> None:
    path = tmp_path / "red.jpg"
    path.write_bytes(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = colour_of(path)
    assert red > 250
    assert max(green, blue) < 5


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (255, 0), (100 * 257, 100), (65535, 255)])
def test_sixteen_bits_are_scaled_and_not_clipped_in_grey_as_in_colour(
    tmp_path: Path, value: int, expected: int
) -> None:
    grey, colour = tmp_path / "grey.png", tmp_path / "colour.png"
    grey.write_bytes(png(2, 1, 16, 0, b"\0" + struct.pack(">2H", value, value)))
    colour.write_bytes(png(2, 1, 16, 2, b"\0" + struct.pack(">6H", *[value] * 6)))
    assert colour_of(grey) == colour_of(colour) == (expected, expected, expected)


def test_transparency_of_a_palette_shows_black(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    path.write_bytes(encoded(PALETTE, "PNG", transparency=bytes([255, 255, 255, 0])))
    assert colour_of(path) == (0, 0, 0)


def test_a_photo_lying_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    upright = Image.new("RGB", (20, 40), (255, 0, 0))
    upright.paste((0, 0, 255), (0, 20, 20, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "side.png"
    path.write_bytes(encoded(upright.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif))
    image = read_image(path, 10)
    assert (image.width, image.height) == (20, 40)
    assert image.pixels[1, 5].tolist() == [255, 0, 0]
    assert image.pixels[8, 5].tolist() == [0, 0, 255]


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, form: str) -> None:
    path = tmp_path / "moving.png"
    first, second = Image.new("RGB", (9, 9), (0, 0, 0)), Image.new("RGB", (9, 9), (255, 255, 255))
    path.write_bytes(encoded(first, form, save_all=True, append_images=[second]))
    assert colour_of(path) == (0, 0, 0)


def test_reducing_averages_fine_texture(tmp_path: Path) -> None:
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    path = tmp_path / "board.png"
    Image.fromarray(board).save(path)
    pixels = read_image(path, 60).pixels.astype(int)
    assert abs(pixels - 127).max() <= 3


def test_the_digest_is_of_the_file_and_not_of_its_name(tmp_path: Path) -> None:
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        (tmp_path / name).write_bytes(encoded(photo(seed=seed), "PNG"))
    a, b, c = (read_image(tmp_path / name, 8).digest for name in ("a.png", "b.png", "c.png"))
    assert a == b != c


HOSTILE = {
    "half": encoded(photo(), "PNG")[:1500],
    "half_jpeg": encoded(photo(200, 200), "JPEG")[:4000],
    "empty": b"",
    "text": b"this is a text, whatever its name says\n" * 20,
    "signature_only": b"\x89PNG\r\n\x1a\n",
    "bomb": png(60_000, 60_000, 8, 0, b"\0" * 1000),
    "large": png(10_000, 10_000, 1, 0, b"\0" * 1000),
    "dense": bytes.fromhex(
        "524946461a000000574542505650384c0e0000002f27e3c908071011fd0f4444ff03"
    ),  # 9000 x 9000 of one colour
    "no_pixels": png(0, 0, 8, 0, b""),
    "floats": encoded(Image.new("F", (8, 8), 0.5), "TIFF"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%id) (w) file\n%%EOF\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_image_that_cannot_be_read_is_named_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.png"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(DataError) as caught:
        read_image(path, 32)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "0 bytes"),
        ("text", "is not an image: expected PNG"),
        ("bomb", "3600000000 pixels"),
        ("large", "100000000 pixels"),
        ("dense", "claims 9000x9000 pixels in [0-9]+ bytes"),
        ("half", "truncated"),
        ("floats", "32-bit pixels"),
        ("postscript", "is not an image"),
    ],
)
def test_the_reason_says_what_is_wrong(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(DataError, match=reason):
        read_image(path, 32)


def test_pillow_adds_no_line_of_its_own(tmp_path: Path) -> None:
    """In a fresh process, as pytest captures logs in this one."""
    path = tmp_path / "image.tif"
    channels = struct.pack("<HHI", 277, 3, 1)
    assert channels + b"\3" in HOSTILE_TIFF
    path.write_bytes(HOSTILE_TIFF.replace(channels + b"\3\0", channels + b"\0\x80"))
    script = f"from harness.images.decoding import *\nread_image(Path({str(path)!r}), 8)"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.stderr.splitlines()[-1].startswith("harness.errors.DataError: ")
    assert "More samples per pixel" not in process.stderr


HOSTILE_TIFF = encoded(photo(), "TIFF")


@pytest.mark.parametrize(("mode", "form"), [("1", "PNG"), ("L", "PNG"), ("L", "TIFF"), ("RGB", "JPEG"), ("L", "GIF")])
def test_a_large_image_of_one_colour_is_no_bomb(tmp_path: Path, mode: str, form: str) -> None:
    path = tmp_path / "plain"
    compressed = {"compression": "tiff_deflate"} if form == "TIFF" else {}
    path.write_bytes(encoded(Image.new(mode, (5000, 5000)), form, **compressed))
    assert not read_image(path, 8).pixels.any()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"])
def test_a_file_cut_anywhere_is_refused_unless_no_pixel_was_lost(tmp_path: Path, form: str) -> None:
    whole = encoded(photo(24, 20), form)
    path = tmp_path / "cut"
    path.write_bytes(whole)
    pixels = read_image(path, 24).pixels
    refused = 0
    for length in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:length])
        try:
            assert (read_image(path, 24).pixels == pixels).all(), f"cut at {length} of {len(whole)}"
        except DataError:
            refused += 1
    assert refused > 100


SEEDS = [encoded(photo(12, 9), form) for form in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real image with a few bytes changed, a piece doubled or lost, or nonsense behind a real beginning."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for at, value in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)):
        data[at] = value
    start, stop = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
    middle = draw(st.sampled_from([data[start:stop], data[start:stop] * 2, b"", draw(st.binary(max_size=64))]))
    return bytes(data[:start] + middle + data[stop:])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(damaged(), st.binary(max_size=300)))
@example(data=b"")
def test_any_bytes_give_pixels_or_a_named_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.png"
    path.write_bytes(data)
    try:
        image = read_image(path, 16)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert image.pixels.shape == (16, 16, 3)
        assert min(image.width, image.height) >= 1


def mask_of(tmp_path: Path, mask: Image.Image, size: int, image: Image.Image | None = None) -> np.ndarray:
    (tmp_path / "image.png").write_bytes(encoded(image or Image.new("RGB", mask.size), "PNG"))
    (tmp_path / "mask.png").write_bytes(encoded(mask, "PNG"))
    source = read_image(tmp_path / "image.png", size)
    return read_mask([tmp_path / "mask.png"], size, tmp_path / "image.png", source).pixels


@pytest.mark.parametrize("value", [1, 2, 127, 254, 255])
def test_any_value_but_zero_marks_a_defect(tmp_path: Path, value: int) -> None:
    mask = Image.new("L", (32, 32))
    mask.paste(value, (16, 0, 32, 32))
    pixels = mask_of(tmp_path, mask, 16)
    assert pixels.dtype == np.uint8
    assert (pixels == np.repeat([[0] * 8 + [1] * 8], 16, axis=0)).all()


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA", "I;16"])
def test_masks_of_every_mode_mark_what_is_not_black(tmp_path: Path, mode: str) -> None:
    values = np.zeros((16, 16), dtype=np.uint8)
    values[:, 8:] = 255
    mask = Image.fromarray(values).convert("RGB" if mode == "P" else "L")
    mask = Image.fromarray(values.astype(np.uint16)) if mode == "I;16" else mask.convert(mode)
    assert (mask_of(tmp_path, mask, 16) == values // 255).all()


def test_what_a_palette_shows_counts_and_not_its_numbers(tmp_path: Path) -> None:
    mask = Image.new("P", (8, 8), 1)
    mask.putpalette([255, 255, 255, 0, 0, 0])
    mask.paste(0, (0, 0, 8, 4))
    assert mask_of(tmp_path, mask, 8).mean(axis=1).tolist() == [1] * 4 + [0] * 4


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mask\.png is 30x40, but its image .*image\.png is 64x48"):
        mask_of(tmp_path, Image.new("L", (30, 40), 255), 16, Image.new("RGB", (64, 48)))


def test_a_mask_is_compared_with_its_image_the_right_way_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "image.jpg").write_bytes(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif))
    Image.new("L", (20, 40), 255).save(tmp_path / "mask.png")
    image = read_image(tmp_path / "image.jpg", 8)
    assert read_mask([tmp_path / "mask.png"], 8, tmp_path / "image.jpg", image).pixels.all()


def test_several_masks_of_an_image_are_merged(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    for name, box in (("0.png", (0, 0, 4, 8)), ("1.png", (4, 0, 6, 8))):
        mask = Image.new("L", (8, 8))
        mask.paste(255, box)
        mask.save(tmp_path / name)
    image = read_image(tmp_path / "image.png", 8)
    merged = read_mask([tmp_path / "0.png", tmp_path / "1.png"], 8, tmp_path / "image.png", image).pixels
    assert (merged[0] == [1, 1, 1, 1, 1, 1, 0, 0]).all()


@pytest.mark.parametrize("at", [0, 1, 7, 30, 511])
def test_a_defect_of_one_pixel_keeps_a_mask_when_reduced(tmp_path: Path, at: int) -> None:
    mask = Image.new("L", (512, 512))
    mask.putpixel((at, at), 255)
    pixels = mask_of(tmp_path, mask, 32)
    assert pixels.sum() == 1
    assert pixels[at // 16, at // 16] == 1


@pytest.mark.parametrize(("width", "height"), [(512, 256), (256, 512)])
def test_a_defect_of_one_pixel_stays_in_its_place_where_an_image_is_not_square(
    tmp_path: Path, width: int, height: int
) -> None:
    mask = Image.new("L", (width, height))
    mask.putpixel((width - 3, height // 2 + 1), 255)
    pixels = mask_of(tmp_path, mask, 32)
    assert np.argwhere(pixels).tolist() == [[16, 31]]


@pytest.mark.parametrize(("image", "mode"), [(photo(), "RGB"), (PALETTE, "P"), (Image.fromarray(GREY16), "I;16")])
def test_how_the_file_holds_its_pixels_is_told(tmp_path: Path, image: Image.Image, mode: str) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded(image, "PNG"))
    assert read_image(path, 8).mode == mode


def test_a_data_set_reads_one_file_as_it_loads_them_all(tmp_path: Path) -> None:
    files = [tmp_path / folder / "a.png" for folder in ("train/good", "test/good", "test/bent")]
    for seed, file in enumerate(files):
        file.parent.mkdir(parents=True)
        photo(41, 30 + seed, seed).convert(("RGB", "L", "RGBA")[seed]).save(file)
    dataset = FolderDataset()
    dataset.root = tmp_path
    (category,) = dataset.categories()
    split = dataset.load(category, 16)
    for images in (split.train, split.test):
        for pixels, name in zip(images.pixels, images.paths, strict=True):
            assert (dataset.read(tmp_path / name, 16) == pixels).all()
    assert set(split.modes) == {"RGB", "L", "RGBA"}


def test_the_form_of_a_file_is_that_of_its_image_the_right_way_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "side.jpg").write_bytes(encoded(Image.new("L", (40, 20)), "JPEG", exif=exif))
    decoded = read_image(tmp_path / "side.jpg", 8)
    assert form_of(tmp_path / "side.jpg") == (decoded.width, decoded.height, decoded.mode) == (20, 40, "L")


@pytest.mark.parametrize("drawn", ["white", "red", "green", "blue"])
def test_a_mask_drawn_in_one_colour_on_a_transparent_layer_is_its_opacity(tmp_path: Path, drawn: str) -> None:
    layer = Image.new("RGBA", (8, 8), drawn)
    opacity = np.zeros((8, 8), np.uint8)
    opacity[2:4] = 255
    layer.putalpha(Image.fromarray(opacity))
    assert mask_of(tmp_path, layer, 8).tolist() == (opacity // 255).tolist()


@pytest.mark.parametrize("black", [(0, 0), (0, 7), (7, 0)], ids=str)
def test_a_mask_of_several_colours_is_its_colours_where_its_layer_shows_them(
    tmp_path: Path, black: tuple[int, int]
) -> None:
    for channel in range(3):
        colours = np.zeros((8, 8, 4), np.uint8)
        colours[..., channel] = 255
        colours[..., 3] = 255
        colours[black] = 0, 0, 0, 254
        expected = np.ones((8, 8), np.uint8)
        expected[black] = 0
        assert mask_of(tmp_path, Image.fromarray(colours), 8).tolist() == expected.tolist()


def test_what_is_half_transparent_is_seen_on_black(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(encoded(Image.new("RGBA", (8, 8), (200, 100, 50, 51)), "PNG"))
    assert (read_image(tmp_path / "image.png", 8).pixels == [40, 20, 10]).all()


@pytest.mark.parametrize(
    ("taken", "changed", "expected"),
    [("2020:01:01 08:00:00", "2021", "2020:01:01 08:00:00"), ("", "2021", "2021"), ("2020", "", "2020"), ("", "", "")],
)
def test_an_image_was_taken_when_its_camera_says_or_else_when_it_was_changed(
    tmp_path: Path, taken: str, changed: str, expected: str
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Acme", "Camera 1"
    if changed:
        exif[0x0132] = changed
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    (tmp_path / "image.jpg").write_bytes(encoded(photo(), "JPEG", exif=exif))
    facts = read_image(tmp_path / "image.jpg", 8).facts
    assert (facts.taken_at, facts.camera, facts.width, facts.height) == (expected, "Acme Camera 1", 40, 30)


def test_a_bomb_says_how_many_millions_of_pixels_to_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "image.png").write_bytes(HOSTILE["dense"])
    with pytest.raises(DataError, match="set HARNESS_MAX_MEGAPIXELS=81 to read it"):
        read_image(tmp_path / "image.png", 8)
    monkeypatch.setenv("HARNESS_MAX_MEGAPIXELS", "81")
    with strict_pillow():
        assert read_image(tmp_path / "image.png", 8).pixels.shape == (8, 8, 3)


@pytest.mark.parametrize(("asked", "pixels"), [("1", 1_000_000), ("200", 200_000_000), ("100000", 100_000_000_000)])
def test_a_person_may_ask_for_millions_of_pixels(monkeypatch: pytest.MonkeyPatch, asked: str, pixels: int) -> None:
    monkeypatch.setenv("HARNESS_MAX_MEGAPIXELS", asked)
    assert most_pixels() == (pixels, True)


@pytest.mark.parametrize("asked", ["0", "100001", "-1", "1.5", "many"])
def test_odd_numbers_of_millions_are_quoted(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("HARNESS_MAX_MEGAPIXELS", asked)
    with pytest.raises(UsageError, match=f"HARNESS_MAX_MEGAPIXELS is '{asked}'"):
        most_pixels()


def test_of_a_plain_file_all_facts_are_known(tmp_path: Path) -> None:
    data = encoded(photo(), "PNG")
    (tmp_path / "image.png").write_bytes(data)
    assert read_image(tmp_path / "image.png", 8).facts == FileFacts(
        width=40, height=30, mode="RGB", file_bytes=len(data), depth=8, frames=1, all_transparent=False,
        compression="", camera="", taken_at="", orientation=1,
    )  # fmt: skip


def test_jpegs_of_one_quality_have_one_compression_and_those_of_another_another(tmp_path: Path) -> None:
    found = []
    for name, quality, seed in (("a", 75, 1), ("b", 75, 2), ("c", 90, 1)):
        (tmp_path / name).write_bytes(encoded(photo(seed=seed), "JPEG", quality=quality))
        found.append(read_image(tmp_path / name, 8).facts.compression)
    assert found[0] == found[1] != found[2]
    assert [len(one) for one in found] == [8, 8, 8]


def test_frames_orientation_and_a_clear_layer_are_told(tmp_path: Path) -> None:
    moving = encoded(Image.new("L", (9, 9)), "GIF", save_all=True, append_images=[Image.new("L", (9, 9), 255)])
    (tmp_path / "moving.gif").write_bytes(moving)
    assert read_image(tmp_path / "moving.gif", 8).facts.frames == 2
    for number, expected in ((6, 6), (8, 8), (9, 1), (0, 1)):
        exif = Image.Exif()
        exif[0x0112] = number
        (tmp_path / "side.png").write_bytes(encoded(photo(), "PNG", exif=exif))
        assert read_image(tmp_path / "side.png", 8).facts.orientation == expected
    for opacity, clear in ((0, True), (1, False)):
        layer = photo().convert("RGBA")
        layer.putalpha(0)
        layer.putpixel((3, 3), (1, 2, 3, opacity))
        (tmp_path / "clear.png").write_bytes(encoded(layer, "PNG"))
        assert read_image(tmp_path / "clear.png", 8).facts.all_transparent is clear


def test_what_a_camera_writes_is_cut_and_freed_of_blanks_and_zeros(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Acme \0", "C" * 200, "x" * 60
    (tmp_path / "image.jpg").write_bytes(encoded(photo(), "JPEG", exif=exif))
    facts = read_image(tmp_path / "image.jpg", 8).facts
    assert facts.camera == ("Acme " + "C" * 200)[:100]
    assert facts.taken_at == "x" * 40


@pytest.mark.parametrize(("largest", "bits"), [(0, 1), (1, 1), (255, 8), (256, 9), (4095, 12), (65535, 16)])
def test_the_depth_of_a_grey_image_is_that_of_its_largest_value(tmp_path: Path, largest: int, bits: int) -> None:
    values = np.zeros((5, 7), np.uint16)
    values[2, 3] = largest
    for name in ("image.png", "image.tif"):
        Image.fromarray(values).save(tmp_path / name)
        assert grey_depth(tmp_path / name) == bits
        assert read_image(tmp_path / name, 8).facts.depth == bits
    photo().save(tmp_path / "colour.png")
    assert grey_depth(tmp_path / "colour.png") is None


@pytest.mark.parametrize(("depth", "shown"), [(6, 255), (8, 200), (9, 100), (16, 0)])
def test_of_the_bits_in_use_the_highest_eight_are_taken(tmp_path: Path, depth: int, shown: int) -> None:
    Image.fromarray(np.full((5, 7), 200, np.uint16)).save(tmp_path / "image.png")
    assert (read_image(tmp_path / "image.png", 8, depth).pixels == shown).all()


def test_the_part_is_what_differs_from_the_colour_of_the_border_with_its_holes_and_without_specks() -> None:
    pixels = np.full((40, 60, 3), 200, np.uint8)
    part = np.zeros((40, 60), bool)
    part[10:30, 12:44] = True
    pixels[part] = (200, 60, 200)
    pixels[18:22, 20:26] = 200
    pixels[5:8, 50:53] = 60
    pixels[0:3, 30:40] = 60
    assert (foreground(pixels) == part).all()


@pytest.mark.parametrize(("rows", "told"), [(8, False), (12, True), (188, True), (192, False)])
def test_a_part_of_less_than_a_twentieth_or_of_all_but_a_twentieth_is_not_told_from_the_ground(
    rows: int, told: bool
) -> None:
    pixels = np.full((200, 20, 3), 30, np.uint8)
    at = (200 - rows) // 2
    pixels[at : at + rows] = 220
    found = foreground(pixels)
    assert found.sum() == (rows * 20 if told else found.size)


def test_heic_is_read_where_its_library_is_and_else_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.heic", "a.HEIF"):
        monkeypatch.setattr(heic, "_registered", lambda: False)
        with pytest.raises(
            DataError, match=rf"{name} is HEIC, which takes pillow-heif: pip install 'anomaly-harness\[heic"
        ):
            heic.formats_of(Path(name))
        monkeypatch.setattr(heic, "_registered", lambda: True)
        assert heic.formats_of(Path(name)) == ("HEIF",)
    assert heic.formats_of(Path("a.png")) == ()


def test_an_image_beyond_the_limit_is_told_how_many_millions_of_pixels_are_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded(Image.new("L", (2000, 1600)), "PNG"))
    monkeypatch.setenv("HARNESS_MAX_MEGAPIXELS", "3")
    with strict_pillow(), pytest.raises(DataError, match="is too large: expected at most 3 million pixels"):
        read_image(path, 8)
