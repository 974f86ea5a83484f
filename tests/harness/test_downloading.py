"""Data sets from the net, tried on a local web server: cut transfers go on, and no archive leads out of its folder."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness import Archive
from harness.commands import main
from harness.downloading import fetch, unpack
from harness.downloading.unpacking import _check, _Entry
from harness.errors import DataError, UnavailableError
from harness_datasets.published import Btad


class Server(ThreadingHTTPServer):
    """Serves one file, may cut each answer after so many bytes, and remembers the ranges that it was asked for."""

    content = b""
    cut: int | None = None
    ranges = True
    busy = 0
    """So many times it first says that it has no time."""
    lies_by = 0
    """By how much the place that it says it goes on from is wrong."""
    says_length = True
    whole_as_part = False
    """Whether an answer with the whole file says that it goes on from the place that was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/btad.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        self.server.paths.append(self.path)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if self.path.endswith("missing"):
            self.send_error(404)
            return
        if len(self.server.asked) <= self.server.busy:
            self.send_error(503)
            return
        if start and start >= len(self.server.content):
            self.send_error(416)
            return
        body = self.server.content[start:]
        self.send_response(206 if asked and self.server.ranges else 200)
        if self.server.says_length:
            self.send_header("Content-Length", str(len(body)))
        if asked and (self.server.ranges or self.server.whole_as_part):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_header(
                "Content-Range",
                f"bytes {start + self.server.lies_by}-{len(self.server.content) - 1}/{len(self.server.content)}",
            )
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    with Server() as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_transfer_that_is_cut_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.content, server.cut = np.random.default_rng(0).bytes(10_000), 3_000
    told: list[tuple[int, int]] = []
    found = fetch(
        server.url, tmp_path / "x", sha256=digest(server.content), size=10_000, progress=lambda *at: told.append(at)
    )
    assert found.read_bytes() == server.content
    assert server.asked == [None, "bytes=3000-", "bytes=6000-", "bytes=9000-"]
    assert told[-1] == (10_000, 10_000)
    assert fetch(server.url, tmp_path / "x", sha256=digest(server.content)) == found
    assert len(server.asked) == 4, "what is here and whole is not fetched again"


def test_a_server_that_knows_no_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.content, server.ranges = b"0123456789", False
    (tmp_path / "x.part").write_bytes(b"01234")
    assert fetch(server.url, tmp_path / "x", sha256=digest(server.content)).read_bytes() == server.content


def test_a_server_that_gives_nothing_more_is_given_up_and_the_part_stays(server: Server, tmp_path: Path) -> None:
    server.content, server.cut = b"0" * 100, 0
    with pytest.raises(UnavailableError, match="broke off 5 times at 0 bytes: the same command goes on"):
        fetch(server.url, tmp_path / "x", sha256=digest(server.content), size=100)


@pytest.mark.parametrize(("busy", "given_up"), [(4, False), (5, True)])
def test_a_server_that_is_busy_is_asked_five_times(server: Server, tmp_path: Path, busy: int, given_up: bool) -> None:
    server.content, server.busy = b"0123456789", busy
    if given_up:
        with pytest.raises(UnavailableError, match="broke off 5 times at 0 bytes"):
            fetch(server.url, tmp_path / "x", sha256=digest(server.content))
    else:
        assert fetch(server.url, tmp_path / "x", sha256=digest(server.content)).read_bytes() == server.content
    assert len(server.asked) == 5


def test_tries_are_counted_anew_after_each_byte_that_came(server: Server, tmp_path: Path) -> None:
    server.content, server.cut = b"0123456789", 1
    assert fetch(server.url, tmp_path / "x", sha256=digest(server.content), size=10).read_bytes() == server.content
    assert len(server.asked) == 10


def test_a_server_that_goes_on_from_another_place_than_it_was_asked_for_starts_anew(
    server: Server, tmp_path: Path
) -> None:
    server.content, server.lies_by = b"0123456789", 1
    (tmp_path / "x.part").write_bytes(b"01234")
    with pytest.raises(DataError, match=r"is not what was expected \(5 bytes"):
        fetch(server.url, tmp_path / "x", sha256=digest(server.content))


def test_a_part_that_is_whole_is_not_asked_for_again_whether_its_size_is_known_or_not(
    server: Server, tmp_path: Path
) -> None:
    server.content = b"0123456789"
    for size, asked in ((10, []), (0, ["bytes=10-"])):
        (tmp_path / f"{size}.part").write_bytes(server.content)
        server.asked.clear()
        assert fetch(server.url, tmp_path / f"{size}", sha256=digest(server.content), size=size).is_file()
        assert server.asked == asked


def test_without_a_length_all_that_comes_is_taken_and_progress_knows_no_end(server: Server, tmp_path: Path) -> None:
    server.content, server.says_length = b"0123456789", False
    told: list[tuple[int, int]] = []
    found = fetch(server.url, tmp_path / "x", sha256=digest(server.content), progress=lambda *at: told.append(at))
    assert found.read_bytes() == server.content
    assert told == [(10, 0)]


def test_a_whole_file_is_taken_whole_though_its_answer_says_that_it_is_the_rest(server: Server, tmp_path: Path) -> None:
    server.content, server.ranges, server.whole_as_part = b"0123456789", False, True
    (tmp_path / "x.part").write_bytes(b"01234")
    assert fetch(server.url, tmp_path / "x", sha256=digest(server.content)).read_bytes() == server.content


def test_a_transfer_of_known_size_that_is_cut_goes_on_though_the_server_said_no_length(
    server: Server, tmp_path: Path
) -> None:
    server.content, server.cut, server.says_length = b"0123456789", 6, False
    found = fetch(server.url, tmp_path / "x", sha256=digest(server.content), size=10)
    assert found.read_bytes() == server.content
    assert server.asked == [None, "bytes=6-"]


def test_a_transfer_of_unknown_size_that_is_cut_goes_on_by_the_length_that_the_server_said(
    server: Server, tmp_path: Path
) -> None:
    server.content, server.cut = b"0123456789", 4
    told: list[tuple[int, int]] = []
    fetch(server.url, tmp_path / "x", sha256=digest(server.content), progress=lambda *at: told.append(at))
    assert told == [(4, 10), (8, 10), (10, 10)]
    assert server.asked == [None, "bytes=4-", "bytes=8-"]


def test_what_has_no_room_is_not_asked_for_and_what_lies_here_already_counts(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=6))
    server.content = b"0123456789"
    with pytest.raises(UnavailableError, match="has room for 6 bytes, and 10 are to come"):
        fetch(server.url, tmp_path / "x", sha256=digest(server.content), size=10)
    assert server.asked == []
    (tmp_path / "x.part").write_bytes(b"0123")
    assert fetch(server.url, tmp_path / "x", sha256=digest(server.content), size=10).is_file()


def test_a_server_that_is_not_there_is_said_and_a_folder_that_is_not_there_too(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="http://127.0.0.1:1/x cannot be reached: "):
        fetch("http://127.0.0.1:1/x", tmp_path / "x", sha256="")


def test_what_is_not_what_was_expected_is_removed(server: Server, tmp_path: Path) -> None:
    server.content = b"something else"
    with pytest.raises(DataError, match=r"is not what was expected \(14 bytes of SHA-256"):
        fetch(server.url, tmp_path / "x", sha256=digest(b"it"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnavailableError, match="more than the 5 bytes"):
        fetch(server.url, tmp_path / "y", sha256=digest(b"it"), size=5)
    with pytest.raises(UnavailableError, match="404"):
        fetch(f"{server.url}/missing", tmp_path / "z", sha256=digest(b"it"))


def test_offline_nothing_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="HARNESS_OFFLINE"):
        fetch(server.url, tmp_path / "x", sha256="")
    assert server.asked == []


def test_the_proxy_of_the_environment_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.content = b"by proxy"
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "")
    fetch("http://images.example/set.zip", tmp_path / "x", sha256=digest(server.content))
    assert server.paths == ["http://images.example/set.zip"]


def zipped(entries: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name in links else 0o100644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def tarred(entries: list[tuple[str, bytes, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


HOSTILE = {
    "parent": (zipped({"a.png": b"1", "../../b.png": b"2"}), "leads out"),
    "absolute": (zipped({"/tmp/b.png": b"2"}), "leads out"),
    "drive": (zipped({"C:\\b.png": b"2"}), "leads out"),
    "backslash": (zipped({"..\\b.png": b"2"}), "leads out"),
    "link in a zip": (zipped({"a": b"/etc/passwd"}, links=("a",)), "a link or device"),
    "link": (tarred([("a", b"", tarfile.SYMTYPE)]), "a link or device"),
    "hard link": (tarred([("a", b"", tarfile.LNKTYPE)]), "a link or device"),
    "device": (tarred([("a", b"", tarfile.CHRTYPE)]), "a link or device"),
    "parent in a tar": (tarred([("x/../../a", b"1", tarfile.REGTYPE)]), "leads out"),
    "twice": (tarred([("a", b"1", tarfile.REGTYPE), ("a", b"2", tarfile.REGTYPE)]), "twice"),
    "cut": (tarred([("a", np.random.default_rng(0).bytes(9_000), tarfile.REGTYPE)])[:4_000], "cannot be unpacked"),
    "nonsense": (b"PK\x03\x04 no archive", "cannot be unpacked"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    content, said = HOSTILE[name]
    (tmp_path / "archive").write_bytes(content)
    (tmp_path / "into").mkdir()
    with pytest.raises(DataError, match=said) as caught:
        unpack(tmp_path / "archive", tmp_path / "into")
    assert str(tmp_path / "archive") in str(caught.value)
    assert not any(one.read_bytes() for one in (tmp_path / "into").iterdir() if name != "cut")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["archive", "into"]


def test_an_archive_of_too_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.downloading.unpacking._MOST_ENTRIES", 2)
    (tmp_path / "into").mkdir()
    for names in ("ab", "abc"):
        (tmp_path / "archive").write_bytes(zipped(dict.fromkeys(names, b"1")))
        if names == "ab":
            unpack(tmp_path / "archive", tmp_path / "into")
    with pytest.raises(DataError, match="has 3 entries, expected at most 2"):
        unpack(tmp_path / "archive", tmp_path / "into")


@pytest.mark.parametrize(("size", "refused"), [(1 << 30, False), ((1 << 30) + 1, True)])
def test_a_small_archive_may_unpack_to_a_gigabyte(tmp_path: Path, size: int, refused: bool) -> None:
    (tmp_path / "archive").touch()
    entries = [_Entry("a", size, False, True, tarfile.TarInfo())]
    if not refused:
        _check(tmp_path / "archive", entries)
        return
    with pytest.raises(DataError, match="expected at most 1,073,741,824"):
        _check(tmp_path / "archive", entries)


def test_little_that_was_packed_to_next_to_nothing_is_no_bomb(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(zipped({"a": bytes(100_000)}))
    (tmp_path / "into").mkdir()
    unpack(tmp_path / "archive", tmp_path / "into")
    assert (tmp_path / "into" / "a").stat().st_size == 100_000


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.downloading.unpacking._SMALL", 10_000)
    (tmp_path / "bomb").write_bytes(zipped({"a": bytes(1_000_000)}))
    (tmp_path / "into").mkdir()
    with pytest.raises(DataError, match="unpacks to 1,000,000 bytes"):
        unpack(tmp_path / "bomb", tmp_path / "into")
    lying = zipped({"a": bytes(5_000)}).replace((5_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    (tmp_path / "bomb").write_bytes(lying)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / "bomb", tmp_path / "into")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_files_and_folders_of_an_archive_lie_where_their_names_say(tmp_path: Path, kind: str) -> None:
    entries = {"a/b/c.png": b"1", "d.png": b"", "a\\e.png": b"22", "./f.png": b"333"}
    if kind == "zip":
        content = zipped({"empty/": b"", **entries, "a/": b""})  # which is there by then
    else:
        files = [(name, text, tarfile.REGTYPE) for name, text in entries.items()]
        folder = ("a", b"", tarfile.DIRTYPE)  # named twice, which is no harm
        content = tarred([("empty", b"", tarfile.DIRTYPE), folder, *files, folder])
    (tmp_path / "archive").write_bytes(content)
    (tmp_path / "into").mkdir()
    unpack(tmp_path / "archive", tmp_path / "into")
    found = {one.relative_to(tmp_path / "into").as_posix(): one for one in (tmp_path / "into").rglob("*")}
    assert {name: one.read_bytes() for name, one in found.items() if one.is_file()} == {
        "a/b/c.png": b"1", "d.png": b"", "a/e.png": b"22", "f.png": b"333",
    }  # fmt: skip
    assert {name for name, one in found.items() if one.is_dir()} == {"a", "a/b", "empty"}


@pytest.mark.parametrize(("size", "refused"), [(20_000, False), (20_001, True)])
def test_an_archive_may_unpack_to_a_set_size_or_to_a_hundred_times_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, refused: bool
) -> None:
    monkeypatch.setattr("harness.downloading.unpacking._SMALL", 20_000)
    (tmp_path / "into").mkdir()
    for file, content in (("small", zipped({"a": bytes(size)})), ("large", b"")):
        (tmp_path / file).write_bytes(content or zipped({"b": np.random.default_rng(0).bytes(size)}))
    unpack(tmp_path / "large", tmp_path / "into")
    if refused:
        with pytest.raises(DataError, match=r"unpacks to 20,001 bytes, expected at most 20,000: nothing was unpacked"):
            unpack(tmp_path / "small", tmp_path / "into")
    else:
        unpack(tmp_path / "small", tmp_path / "into")
    assert (tmp_path / "into" / "a").exists() is not refused


def btad() -> bytes:
    entries, drawn = {}, io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(drawn, "bmp")
    for where in ("train/ok/0.bmp", "test/ok/1.bmp", "test/ko/2.bmp"):
        entries[f"BTech_Dataset_transformed/01/{where}"] = drawn.getvalue() + where.encode()
    return zipped(entries)


def test_a_data_set_is_fetched_when_its_licence_is_agreed_to(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = btad()
    monkeypatch.setattr(Btad, "archive", Archive(server.url, digest(server.content), len(server.content)))
    words = ["data", "--download", "btad", "--data-root", str(tmp_path / "data"), "--image-size", "8"]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2
    assert "licence CC-BY-SA-4.0" in refused.stderr
    assert "--accept-licence says so" in refused.stderr
    assert server.asked == []
    done = CliRunner().invoke(main, [*words, "--accept-licence"])
    assert done.exit_code == 0, done.output
    assert "MB (100%)" in done.stderr
    assert "btad · licence CC-BY-SA-4.0" in done.stdout
    assert sorted(one.name for one in (tmp_path / "data").iterdir()) == ["01"]
    again = CliRunner().invoke(main, [*words, "--accept-licence"])
    assert again.exit_code != 0
    assert "is there already" in again.stderr


def test_a_data_set_behind_a_form_says_where_it_is(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["data", "--download", "mvtec_ad", "--data-root", str(tmp_path)])
    assert done.exit_code == 2
    assert "cannot be downloaded from here: get mvtec_ad from https://www.mvtec.com" in done.stderr


def test_the_command_of_the_page_asks_for_the_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "harness" / "downloading" / "README.md").read_text(encoding="utf-8")
    (words,) = [line.split()[1:] for line in page.splitlines() if line.startswith("    harness ")]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "licence CC-BY-4.0" in done.stderr) == (2, True)
