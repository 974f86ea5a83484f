"""Pieces of global state, each changed and put back by itself."""

from __future__ import annotations

import locale
import os
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness.plugin.plugin_files import module_of
from harness.trials import surroundings
from harness.trials.process_state import OF_PYTHON, Shared
from harness.trials.surroundings import no_sudden_end, put_back
from harness.trials.torch_state import fresh, of_torch

FILE = Path(__file__).parents[1] / "plugin_files" / "vandals.py"


@pytest.fixture(scope="module")
def vandals() -> ModuleType:
    return module_of(FILE, FILE.read_bytes(), "vandals_of_pieces")


@pytest.fixture(scope="module")
def pieces() -> dict[str, Shared]:
    torch = pytest.importorskip("torch")
    return {one.name: one for one in (*OF_PYTHON, *of_torch(torch))}


@pytest.fixture
def as_before(pieces: dict[str, Shared]) -> Iterator[None]:
    """Whatever a test leaves behind is put back all the same."""
    before = [(one, one.get()) for one in pieces.values()]
    yield
    for one, was in before:
        if one.get() != was:
            one.put(was)


NAMES = [one.name for one in OF_PYTHON]


@pytest.mark.parametrize("number", range(42))
@pytest.mark.usefixtures("as_before")
def test_a_piece_of_state_shows_that_it_was_changed_and_is_put_back(
    pieces: dict[str, Shared], vandals: ModuleType, number: int
) -> None:
    assert list(pieces) == list(vandals.HARM), "each is called what plugins are told that they changed"
    name = list(pieces)[number]
    piece = pieces[name]
    if name == "the locale":
        locale.setlocale(locale.LC_ALL, "C")
    before = piece.get()
    vandals.HARM[name]()
    assert piece.get() != before
    piece.put(before)
    assert piece.get() == before
    assert piece.imports == (
        name
        in {
            *("environment variables", "warning filters", "signal handlers", "when garbage is collected"),
            *("what is called as garbage is collected", "where modules are looked for", "what is called on errors"),
            *("who logging tells", "what logging lets through"),
        }
    )


def test_a_fresh_torch_has_what_its_makers_chose(pieces: dict[str, Shared]) -> None:
    import torch

    found = fresh(torch)
    hooks = [dict(one) for one in pieces["torch's hooks"].get()]
    assert found == (
        *(torch.float32, True, False, "highest", (True, False, False, True), torch.get_num_threads()),
        *(torch.device("cpu"), False, False, True, True, (False, True), [{} for _ in hooks], (0, 0)),
    )
    assert len(hooks) > 5
    assert len(found) == len(of_torch(torch))


@pytest.mark.usefixtures("as_before")
def test_what_changes_within_is_put_back_and_named_and_what_is_drawn_is_drawn_again() -> None:
    before, random_before = Path.cwd(), (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    with put_back() as changed:
        os.chdir("/")
        os.environ["HARNESS_TEST_OF_PIECES"] = "1"
        random.random()
        np.random.random()
    assert changed == ["the working folder", "environment variables"]
    assert Path.cwd() == before
    assert "HARNESS_TEST_OF_PIECES" not in os.environ
    assert (random.getstate(), np.random.get_state()[1].tolist()) == random_before  # type: ignore[index]
    with put_back() as changed:
        pass
    assert changed == []


@pytest.mark.usefixtures("as_before")
def test_what_an_import_may_change_is_put_back_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with put_back() as changed:
        monkeypatch.setitem(sys.modules, "a_library_of_a_test", ModuleType("a_library_of_a_test"))
        os.environ["HARNESS_TEST_OF_PIECES"] = "1"
        os.chdir("/")
    assert changed == ["the working folder"]
    assert "HARNESS_TEST_OF_PIECES" not in os.environ


def test_an_end_of_the_process_is_an_exit_of_whoever_asked_for_it_in_this_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    before = os._exit

    def end() -> None:
        with suppress(SystemExit):
            os._exit(4)

    with no_sudden_end():
        with pytest.raises(SystemExit) as error:
            os._exit(3)
        assert error.value.code == 3
        assert ended == []
        thread = threading.Thread(target=end)
        thread.start()
        thread.join()
    assert ended == [4], "another thread ends it, as a forked process would"
    assert os._exit is before


def test_a_standard_descriptor_is_open_where_it_is_the_same_file() -> None:
    reading, writing = os.pipe()
    was = os.fstat(reading)
    assert surroundings._is_open(reading, was)
    assert not surroundings._is_open(reading, os.fstat(1)) or os.path.samestat(was, os.fstat(1))
    os.close(reading)
    assert not surroundings._is_open(reading, was)
    os.close(writing)
