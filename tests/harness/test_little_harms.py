"""Small things that did harm: names as markup, numbers a hair apart, files without end, counts without measure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands import main
from harness.deployment.births import born
from harness.errors import DataError
from harness.images.decoding import opened, read_image
from harness.report.formats.markdown import escaped, inert, markdown_tables
from harness.report.table import Table
from harness.trials import hardware

CONTRARY = Path(__file__).parents[1] / "plugin_files" / "contrary.py"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<!-- x", "&lt;!-- x"),
        ("![](http://e.org/x.png)", r"\!\[](http://e.org/x.png)"),
        ("a|b`c`", r"a\|b\`c\`"),
        ("[here](http://e.org)", r"\[here](http://e.org)"),
        ("[here][1]", r"\[here][1]"),
        ("__init__", r"\__init_\_"),
        ("*a* ~~b~~ @all \\|", r"\*a\* \~\~b\~\~ &#64;all \\\|"),
        ("cae[latent_dim=64] + conv_2", "cae[latent_dim=64] + conv_2"),
    ],
)
def test_a_name_is_shown_in_markdown_and_does_nothing(name: str, shown: str) -> None:
    assert escaped(name) == shown
    table = Table(name, (name,), ((name,),), notes=(name,))
    assert markdown_tables([table]).count(shown) >= 3


def test_a_sentence_keeps_its_own_code_and_nothing_else() -> None:
    assert inert("`harness run` of <b> ![](http://e.org)") == r"`harness run` of &lt;b> !\[](http://e.org)"


def test_memory_that_runs_out_while_decoding_has_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    from PIL import Image

    Image.new("RGB", (4, 4)).save(file)
    with pytest.raises(DataError, match="cannot be decoded: MemoryError"), opened(file):
        raise MemoryError


def test_a_sparse_file_of_20_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    with file.open("wb") as opened_file:
        opened_file.truncate(20 << 30)
    with pytest.raises(DataError, match=r"it has 21\.5 GB, expected at most 1\.4 GB.*HARNESS_MAX_MEGAPIXELS"):
        read_image(file, 8)


def test_a_file_that_takes_another_one_s_inode_is_another_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"first")
    first = born(file)
    if first is None:
        pytest.skip("this file system does not tell when a file was made")
    file.write_bytes(b"second")
    assert born(file) == first
    file.unlink()
    file.write_bytes(b"second")
    assert born(file) != first
    assert born(tmp_path / "none") is None


def test_a_million_threads_are_not_started_and_every_library_has_the_same_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with hardware.limited_to(1):
        assert os.environ["MKL_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["MKL_NUM_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in os.environ
    with hardware.limited_to(1_000_000):
        assert int(os.environ["OMP_NUM_THREADS"]) <= max(256, hardware.cores())


def test_a_threshold_that_sets_no_limit_is_no_success(tmp_path: Path) -> None:
    words = ["run", "--plugin", str(CONTRARY), "--models", "difference", "--dataset", "contrary", "--thresholds"]
    words += ["leaves", "--categories", "whole", "--device", "cpu", "--jobs", "1", "--store", str(tmp_path / "runs")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 3, result.output
