from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.files import _flush_folder, adding_to, plain_bytes, replacing, write_text


def test_a_file_is_as_it_was_until_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(IsADirectoryError), replacing(target) as draft:
        draft.write_text("half") and tmp_path.read_text()
    assert target.read_text() == "old"
    with replacing(target) as draft:
        draft.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_another_with_all_that_is_in_it(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for names in (("a", "b"), ("c",)):
        with replacing(target) as draft:
            draft.mkdir()
            for name in names:
                (draft / name).write_text(name)
    assert [file.name for file in target.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [target]


def test_files_are_added_to_a_folder_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "a").write_text("old")
    with pytest.raises(IsADirectoryError), adding_to(tmp_path) as scratch:
        (scratch / "a").write_text("half") and tmp_path.read_text()
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"kept": "kept", "a": "old"}
    with adding_to(tmp_path) as scratch:
        (scratch / "a").write_text("new")
        (scratch / "b").write_text("new")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"kept": "kept", "a": "new", "b": "new"}


def test_a_process_that_is_killed_while_it_writes_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    code = f"""
import os, signal
from pathlib import Path
from harness.files import replacing
with replacing(Path({str(target)!r})) as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    (left,) = set(tmp_path.iterdir()) - {target}
    write_text(target, "new")
    assert left.exists(), "another process may still be writing it"
    os.utime(left, (time.time() - 90_000,) * 2)
    write_text(target, "newer")
    assert list(tmp_path.iterdir()) == [target], "what is a day old was left behind"


def test_bytes_are_on_the_disk_before_they_get_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    real, moved = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        events.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name[:8]}")
        real(descriptor)

    def replace(self: Path, other: Path) -> Path:
        events.append("named")
        return moved(self, other)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    (tmp_path / "folder").mkdir()
    with replacing(tmp_path / "folder" / "model") as draft:
        draft.mkdir()
        (draft / "weights").write_text("w")
    assert events == ["sync weights", "sync .harness", "named", "sync folder"]
    events.clear()
    with adding_to(tmp_path / "folder") as draft:
        (draft / "map").write_text("m")
    assert events == ["sync map", "sync .harness", "named", "sync folder"]


def test_a_text_that_breaks_off_while_it_is_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def pieces() -> Iterator[str]:
        yield "half"
        raise RuntimeError("no more")

    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError, match="no more"):
        write_text(target, pieces())
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_system_that_cannot_flush_folders_is_no_obstacle_but_a_full_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def failing(number: int, folders: bool) -> None:
        def fsync(descriptor: int) -> None:
            if Path(f"/proc/self/fd/{descriptor}").is_dir() is folders:
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    failing(errno.EINVAL, folders=True)
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    failing(errno.ENOSPC, folders=False)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "a", "newer")
    assert (tmp_path / "a").read_text() == "new"


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "text"
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        write_text(tmp_path / "pipe", "text")
        assert reader.communicate()[0] == b"text"
    assert (tmp_path / "pipe").is_fifo()


def test_a_plain_file_is_read_whole_and_one_that_is_too_large_or_no_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\r\n\x00" * 1000)
    assert plain_bytes(file) == b"\r\n\x00" * 1000
    assert plain_bytes(file, 3000) == b"\r\n\x00" * 1000
    with pytest.raises(OSError, match="it has more than 2,999 bytes") as caught:
        plain_bytes(file, 2999)
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(IsADirectoryError, match="Is a directory") as folder:
        plain_bytes(tmp_path)
    assert (folder.value.errno, folder.value.filename) == (errno.EISDIR, str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is no plain file") as pipe:  # at once, though nobody writes
        plain_bytes(tmp_path / "pipe")
    assert pipe.value.errno == errno.EINVAL
    with pytest.raises(FileNotFoundError):
        plain_bytes(tmp_path / "gone")


def test_a_link_that_a_folder_is_replaced_through_is_a_name_like_others(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "kept").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with replacing(tmp_path / "link") as draft:
        draft.write_text("new")
    assert (tmp_path / "link").read_text() == "new"
    assert (tmp_path / "real" / "kept").read_text() == "kept"


def test_drafts_of_a_day_ago_are_cleared_away_files_and_folders_alike_and_younger_ones_stay(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".harness-a.part", ".harness-b.part", "c.part"))
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "inner").write_text("")
    for folder, age in ((old, 24 * 3600 + 60), (young, 24 * 3600 - 60), (other, 10**6)):
        os.utime(folder, (time.time() - age,) * 2)
    with replacing(tmp_path / "new") as draft:
        assert draft.parent == tmp_path
        assert draft.name.startswith(".harness-")
        assert draft.suffix == ".part"
        draft.write_text("new")
    assert sorted(file.name for file in tmp_path.iterdir()) == [".harness-b.part", "c.part", "new"]


def test_text_is_utf_8_and_may_come_in_pieces(tmp_path: Path) -> None:
    write_text(tmp_path / "a", iter(["ü", "€\n"]))
    assert (tmp_path / "a").read_bytes() == "ü€\n".encode()


def test_a_folder_whose_disk_is_full_is_an_error_and_the_descriptor_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(number: int) -> None:
        def fsync(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    before = len([*Path("/proc/self/fd").iterdir()])
    for number in (errno.EINVAL, errno.ENOTSUP):
        fails(number)
        _flush_folder(tmp_path)
    fails(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        _flush_folder(tmp_path)
    assert len([*Path("/proc/self/fd").iterdir()]) == before
