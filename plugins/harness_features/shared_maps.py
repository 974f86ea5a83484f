"""Feature maps of a frozen encoder, extracted once for each image and shared by every detector, seed and split.

Each image has a file of its own in the cache, named by its pixels, so that splits of any kind share what they have in
common. A fault of the cache costs time, never a trial.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import Encoder, Run, spell
from harness_features import folded
from harness_features.extracting import waited_for
from harness_features.frozen import weights_digest

LIMIT_GB = 8.0
"""Gigabytes that feature maps may take up, unless $HARNESS_FEATURES_GB says otherwise; 0 keeps none."""
Extract = Callable[[NDArray[np.uint8]], list[Tensor]]
"""Images (n, H, W, 3) to maps (n, C, h, w)."""

_layouts: dict[Path, list[tuple[tuple[int, ...], bool]]] = {}
"""Shape (C, h, w) of each map of a folder, and whether channels come last in memory, as seen in this process."""
_read: set[Path] = set()
"""Files whose checksum was verified in this process."""
_said: set[str] = set()


class SharedMaps:
    """Keeps maps in one folder, which stands for one encoder with its weights on one kind of machine."""

    def __init__(self, folder: Path, batch: int) -> None:
        self.folder, self.batch = folder, batch

    def of(self, pixels: NDArray[np.uint8], extract: Extract) -> Iterator[tuple[int, list[Tensor]]]:
        """Maps of images (N, H, W, 3), a batch at a time, each with the index of its first image.

        The last image fills a batch up. Values are those that `extract` gives, to the last bit.
        """
        files = self.names(pixels)
        self._probe(pixels, files, extract)
        there = all(file.exists() for file in files)
        with nullcontext() if there else waited_for(self.folder, files):
            self._complete(pixels, files, extract)
        for start in range(0, len(pixels), self.batch):
            chosen = np.minimum(np.arange(start, start + self.batch), len(pixels) - 1)
            yield start, self._joined([files[i] for i in chosen]) or extract(pixels[chosen])

    def names(self, pixels: NDArray[np.uint8]) -> list[Path]:
        """The files of images (N, H, W, 3), named by their pixels; there need be none."""
        return [self._file(one) for one in pixels]

    def _file(self, image: NDArray[np.uint8]) -> Path:
        content = np.ascontiguousarray(image)
        digest = hashlib.blake2b(content.data, digest_size=16, person=str(content.shape).encode()[:16])
        return self.folder / digest.hexdigest()

    def _probe(self, pixels: NDArray[np.uint8], files: list[Path], extract: Extract) -> None:
        """Extract one batch in each process, to learn shapes and to see that what is kept is what would come out now.

        A plugin's code may have changed behind the same name and weights.
        """
        if self.folder in _layouts or not len(pixels):
            return
        chosen = np.minimum(np.arange(self.batch), len(pixels) - 1)
        maps = extract(pixels[chosen])
        _layouts[self.folder] = [((*one.shape[1:],), _channels_last(one)) for one in maps]
        here = range(min(self.batch, len(pixels)))
        known = [i for i in here if files[i].exists()]
        for i in known:
            kept = self._joined([files[i]])
            if kept is None or not all(torch.equal(a[0], b[i]) for a, b in zip(kept, maps, strict=True)):
                for stale in self.folder.glob("[!.]*"):  # a lock that another process holds stays where it is
                    stale.unlink(missing_ok=True)
                _read.clear()
                known = []
                break
        self._keep({i: files[i] for i in here if i not in known}, maps)

    def _complete(self, pixels: NDArray[np.uint8], files: list[Path], extract: Extract) -> None:
        """Extract and keep the images that are not there yet, in full batches."""
        missing = []
        for i, file in enumerate(files):
            try:
                os.utime(file)  # what was used last is evicted last
            except OSError:
                missing.append(i)
        for start in range(0, len(missing), self.batch):
            here = missing[start : start + self.batch]
            chosen = (here + here[-1:] * self.batch)[: self.batch]
            maps = extract(pixels[chosen])
            if not self._keep({row: files[i] for row, i in enumerate(here)}, maps):
                return

    def _keep(self, files: dict[int, Path], maps: list[Tensor]) -> bool:
        """Write rows of a batch to their files; whether that could be done."""
        stored = [_as_stored(one).cpu().numpy() for one in maps]
        return all(_write(file, np.concatenate([one[row].ravel() for one in stored])) for row, file in files.items())

    def _joined(self, files: list[Path]) -> list[Tensor] | None:
        """The maps of a batch, or None where a file was evicted, cut or damaged."""
        layout = _layouts[self.folder]
        ends = np.cumsum([np.prod(shape) for shape, _ in layout])
        rows = []
        for file in files:
            row = _mapped(file, int(ends[-1]))
            if row is None:
                return None
            rows.append(np.split(row, ends[:-1]))
        maps = []
        for level, (shape, last) in enumerate(layout):
            channels, height, width = shape
            stored = (height, width, channels) if last else shape
            stacked = torch.from_numpy(np.stack([row[level].reshape(stored) for row in rows]))
            maps.append(stacked.permute(0, 3, 1, 2) if last else stacked)
        return maps


def shared_maps(
    encoder: Encoder, pyramid: nn.Module, reductions: tuple[int, ...], run: Run, batch: int
) -> SharedMaps | None:
    """Where maps of this encoder are kept; None where there is no cache folder, or none is wanted."""
    if limit_in_bytes() <= 0 or (run.device != "cpu" and not run.device.startswith("cuda")):
        return None
    digest = hashlib.blake2b(digest_size=16)
    said = (spell(encoder), type(encoder).__qualname__, repr(pyramid), reductions, run.image_size, run.device, batch)
    here = (torch.__version__, torch.get_num_threads(), platform.node(), "folded 1" if folded.wanted() else "")
    digest.update(repr((said, *here)).encode())
    digest.update(weights_digest(pyramid))
    try:
        return SharedMaps(cache_folder() / digest.hexdigest(), batch)
    except RuntimeError:  # nobody's home
        return None


def cache_folder() -> Path:
    """`features` in $HARNESS_CACHE, else in anomaly-harness in $XDG_CACHE_HOME or ~/.cache. Raises RuntimeError."""
    if os.environ.get("HARNESS_CACHE"):
        return Path(os.environ["HARNESS_CACHE"]) / "features"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anomaly-harness" / "features"


def limit_in_bytes() -> int:
    """How many bytes all kept maps may take up."""
    asked = os.environ.get("HARNESS_FEATURES_GB", "")
    try:
        return int((float(asked) if asked else LIMIT_GB) * 1e9)
    except ValueError:
        _say(f"HARNESS_FEATURES_GB is {asked!r}, expected a number of gigabytes: {LIMIT_GB:g} is taken")
        return int(LIMIT_GB * 1e9)


def evict(folder: Path, limit: int) -> int:
    """Remove what was used longest ago until at most this many bytes are left; returns how many are."""
    found = []
    for file in folder.glob("*/*"):
        with suppress(OSError):  # another process may evict too
            status = file.stat()
            found.append((status.st_mtime, status.st_size, file))
    total = sum(size for _, size, _ in found)
    for _, size, file in sorted(found):
        if total <= limit:
            break
        with suppress(OSError):
            file.unlink()
        total -= size
    return total


class _Room:
    """Counts the bytes written by this process since it last looked at the folder."""

    left: int | None = None

    def take(self, size: int, folder: Path) -> None:
        if self.left is None or self.left < size:
            limit = limit_in_bytes()
            self.left = limit - evict(folder, int(0.9 * limit) if self.left is not None else limit)
        self.left -= size


_room = _Room()


def _write(file: Path, row: NDArray[np.float32]) -> bool:
    """Keep one image's maps with their checksum, whole or not at all; says once why that cannot be done."""
    draft = file.with_name(f".{uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _room.take(row.nbytes, file.parent.parent)
        try:
            with draft.open("xb") as opened:
                opened.write(row.data)
                opened.write(zlib.crc32(row.data).to_bytes(4, "little"))
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        _say(
            f"features cannot be kept in {str(file.parent.parent)!r} ({error.strerror or error}): each detector "
            "extracts its own, which takes longer. Set HARNESS_CACHE to a folder with room, or HARNESS_FEATURES_GB "
            "to fewer gigabytes"
        )
        return False
    return True


def _mapped(file: Path, numbers: int) -> NDArray[np.float32] | None:
    try:
        if file.stat().st_size != 4 * numbers + 4:
            return None
        row: NDArray[np.float32] = np.memmap(file, dtype=np.float32, mode="r", shape=(numbers,))
        if file not in _read:
            with file.open("rb") as opened:
                opened.seek(4 * numbers)
                if zlib.crc32(row.data) != int.from_bytes(opened.read(), "little"):
                    file.unlink(missing_ok=True)
                    return None
            _read.add(file)
    except OSError:
        return None
    return row


def _channels_last(maps: Tensor) -> bool:
    return maps.is_contiguous(memory_format=torch.channels_last) and not maps.is_contiguous()


def _as_stored(maps: Tensor) -> Tensor:
    """(n, h, w, C) where channels come last in memory, else (n, C, h, w)."""
    return (maps.permute(0, 2, 3, 1) if _channels_last(maps) else maps).float().contiguous()


def _say(line: str) -> None:
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr)
