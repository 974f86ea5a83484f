"""One walk serves data sets, `predict` and `--watch`: it finds every image, ends always, and says what it leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.images.walk import DEEPEST, list_images


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def names(folder: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def passed_over(folder: Path) -> dict[str, str]:
    return {one.path.relative_to(folder).as_posix(): one.why for one in list_images(folder).passed_over}


def test_images_are_found_at_any_depth_sorted_and_by_every_usual_ending(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("b.PNG", "a/z.jfif", "a/b/c.pgm", "c.ppm", "d.gif", "e.JPEG")))
    listing = list_images(tmp_path)
    assert names(tmp_path, listing.images) == ["a/b/c.pgm", "a/z.jfif", "b.PNG", "c.ppm", "d.gif", "e.JPEG"]
    assert listing.passed_over == []


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "jpeg", "jfif", "bmp", "tif", "tiff", "webp", "gif", "pgm", "ppm", "pnm", "heic", "heif"]
)
def test_every_usual_ending_in_upper_and_lower_case_is_an_images(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix.upper()}")
    assert names(tmp_path, list_images(tmp_path).images) == [f"a.{suffix}", f"b.{suffix.upper()}"]


@pytest.mark.parametrize(
    "folder",
    ["@eaDir", "#recycle", "@Recycle", "lost+found", "__MACOSX", ".thumbnails", "System Volume Information"],
)
def test_thumbnails_and_deleted_files_of_every_system_are_no_images(tmp_path: Path, folder: str) -> None:
    touch(tmp_path / folder / "a.png", tmp_path / "b.png")
    listing = list_images(tmp_path)
    assert names(tmp_path, listing.images) == ["b.png"]
    assert [one.why for one in listing.passed_over] == ["folder of a system or storage device"]


def test_folders_are_searched_to_the_depth_that_is_said_and_no_deeper(tmp_path: Path) -> None:
    last = tmp_path.joinpath(*["b"] * 32)
    touch(last / "1.png", last / "c/2.png")
    listing = list_images(tmp_path)
    assert [path.name for path in listing.images] == ["1.png"]
    assert [(one.path, one.why, one.lost) for one in listing.passed_over] == [
        (last / "c", "more than 32 folders deep", True)
    ]


def test_what_is_no_image_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "notes.txt", tmp_path / "README", tmp_path / ".hidden.png")
    touch(tmp_path / "@eaDir/a.png/SYNOPHOTO_THUMB.jpg", tmp_path / "lost+found/1.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert names(tmp_path, list_images(tmp_path).images) == ["a.png"]
    reasons = passed_over(tmp_path)
    assert sorted(reasons) == [".hidden.png", "@eaDir", "README", "gone.png", "lost+found", "notes.txt", "pipe.png"]
    assert reasons["notes.txt"] == "no image by its name (.txt)"
    assert reasons["README"] == "no image by its name (no suffix)"
    assert reasons["gone.png"] == "link that leads nowhere"
    assert reasons["pipe.png"] == "no regular file"
    assert reasons[".hidden.png"] == "hidden"
    assert all("storage device" in reasons[name] for name in ("@eaDir", "lost+found"))


def test_links_to_files_and_folders_are_followed_and_none_leads_in_circles(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(elsewhere / "a.png", root / "b.png")
    (root / "link.png").symlink_to(elsewhere / "a.png")
    (root / "more").symlink_to(elsewhere)
    (root / "round").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    assert names(root, list_images(root).images) == ["b.png", "link.png", "more/a.png"]
    reasons = passed_over(root)
    assert reasons["round"] == "link to a folder that is searched already"
    assert reasons["self"] == "link that leads to itself"


def test_what_images_may_be_missing_for_is_marked(tmp_path: Path) -> None:
    touch(tmp_path / "notes.txt")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    lost = {one.path.name: one.lost for one in list_images(tmp_path).passed_over}
    assert lost == {"notes.txt": False, "gone.png": True, "self.png": True}


def test_a_tree_deeper_than_anyone_makes_by_hand_ends_the_walk_and_not_the_program(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(150):  # not 1200, on which the clearing up after the tests itself would break
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (one,) = list_images(tmp_path).passed_over
    assert one.why == f"more than {DEEPEST} folders deep"


def test_what_is_left_out_or_too_deep_costs_only_itself(tmp_path: Path) -> None:
    deep = tmp_path.joinpath("a", *["b"] * DEEPEST)
    touch(deep / "1.png", tmp_path / "c/2.png", tmp_path / "out/3.png", tmp_path / "z.png")
    (tmp_path / "d").symlink_to(tmp_path / "c")
    listing = list_images(tmp_path, leave_out=tmp_path / "out")
    assert names(tmp_path, listing.images) == ["c/2.png", "z.png"]
    assert [one.path.name for one in listing.passed_over] == ["b", "d"]


def test_one_folder_that_cannot_be_listed_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a/1.png", tmp_path / "locked/2.png", tmp_path / "z/3.png")
    scandir = os.scandir

    def refuse(path: Path) -> object:  # the tests run as root, whom no rights keep out
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refuse)
        listing = list_images(tmp_path)
    assert names(tmp_path, listing.images) == ["a/1.png", "z/3.png"]
    assert [(one.path.name, one.why) for one in listing.passed_over] == [
        ("locked", "cannot be listed: Permission denied")
    ]


def test_the_folder_for_heat_maps_is_left_out_without_a_word(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "maps/a.png")
    listing = list_images(tmp_path, leave_out=tmp_path / "maps")
    assert names(tmp_path, listing.images) == ["a.png"]
    assert listing.passed_over == []
