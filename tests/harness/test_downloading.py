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

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness import Archive
from harness.commands import main
from harness.downloading import fetch, unpack
from harness.errors import DataError, UnavailableError
from harness_datasets.published import Btad


class Server(ThreadingHTTPServer):
    """Serves one file, may cut each answer after so many bytes, and remembers the ranges that it was asked for."""

    content = b""
    cut: int | None = None
    ranges = True

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
        if start and start >= len(self.server.content):
            self.send_error(416)
            return
        body = self.server.content[start:]
        self.send_response(206 if asked and self.server.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        if asked and self.server.ranges:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.server.content) - 1}/{len(self.server.content)}"
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
    with pytest.raises(DataError, match=said):
        unpack(tmp_path / "archive", tmp_path / "into")
    assert not any(one.read_bytes() for one in (tmp_path / "into").iterdir() if name != "cut")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["archive", "into"]


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
