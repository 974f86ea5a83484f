"""Frozen encoders: built once in a process for all detectors that look through them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from harness import Encoder, Run, spell

MOST = 2
"""How many encoders are held at once, each for the last seed alone: they are large, and a run seldom has more."""


@dataclass(frozen=True)
class _Built:
    """A pyramid, when in torch's chance and for which seed it was built, and the generator's state afterwards."""

    when: Hashable
    pyramid: nn.Module
    after: Tensor


_built: OrderedDict[Hashable, _Built] = OrderedDict()
_digests: WeakKeyDictionary[nn.Module, bytes] = WeakKeyDictionary()


def frozen_pyramid(encoder: Encoder, reductions: tuple[int, ...], run: Run) -> nn.Module:
    """The encoder's pyramid, in eval mode and without gradients; it may be shared, so never change its weights.

    torch's generator is left as building leaves it, so that what is drawn later is the same either way.
    """
    place, when = _place(encoder, reductions, run), (run.seed, torch.get_rng_state().numpy().tobytes())
    if place not in _built or _built[place].when != when:
        _built.pop(place, None)  # so that there are never two of them
        made = encoder.build_pyramid(run, reductions).to(run.device).to(memory_format=torch.channels_last)
        _built[place] = _Built(when, made.eval().requires_grad_(False), torch.get_rng_state())
        if len(_built) > MOST:
            _built.popitem(last=False)
    _built.move_to_end(place)
    torch.set_rng_state(_built[place].after)
    return _built[place].pyramid


def weights_digest(pyramid: nn.Module) -> bytes:
    """Of the names and values of all that it learned; worked out once for each module."""
    if pyramid not in _digests:
        digest = hashlib.blake2b(digest_size=16)
        for name, values in pyramid.state_dict().items():
            digest.update(name.encode())
            digest.update(values.detach().cpu().contiguous().numpy().data.cast("B"))
        _digests[pyramid] = digest.digest()
    return _digests[pyramid]


def _place(encoder: Encoder, reductions: tuple[int, ...], run: Run) -> Hashable:
    """What a build depends on beside seed and chance: the part as it stands, the run, and the files of weights."""
    part = (type(encoder), spell(encoder), repr(vars(encoder)))
    return (*part, reductions, repr(replace(run, seed=0)), _weights_in(run.weights_dir))


def _weights_in(folder: Path | None) -> tuple[tuple[str, int], ...]:
    """Names and times of its files: a person may put others there while a notebook goes on."""
    if folder is None or not folder.is_dir():
        return ()
    return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir()))
