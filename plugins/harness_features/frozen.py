"""Frozen encoders: built once in a process for all detectors that look through them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from harness import Encoder, Run, spell

MOST = 2
"""How many encoders are held at once: they are large, and a run seldom has more."""

_built: OrderedDict[Hashable, tuple[nn.Module, Tensor]] = OrderedDict()
"""Each with the state of torch's generator after it was built."""
_digests: WeakKeyDictionary[nn.Module, bytes] = WeakKeyDictionary()


def frozen_pyramid(encoder: Encoder, reductions: tuple[int, ...], run: Run) -> nn.Module:
    """The encoder's pyramid, in eval mode and without gradients; it may be shared, so never change its weights.

    torch's generator is left as building leaves it, so that what is drawn later is the same either way.
    """
    key = _key(encoder, reductions, run)
    if key not in _built:
        made = encoder.build_pyramid(run, reductions).to(run.device).to(memory_format=torch.channels_last)
        _built[key] = made.eval().requires_grad_(False), torch.get_rng_state()
        if len(_built) > MOST:
            _built.popitem(last=False)
    _built.move_to_end(key)
    pyramid, after = _built[key]
    torch.set_rng_state(after)
    return pyramid


def weights_digest(pyramid: nn.Module) -> bytes:
    """Of the names and values of all that it learned; worked out once for each module."""
    if pyramid not in _digests:
        digest = hashlib.blake2b(digest_size=16)
        for name, values in pyramid.state_dict().items():
            digest.update(name.encode())
            digest.update(values.detach().cpu().contiguous().numpy().data.cast("B"))
        _digests[pyramid] = digest.digest()
    return _digests[pyramid]


def _key(encoder: Encoder, reductions: tuple[int, ...], run: Run) -> Hashable:
    """What a build depends on: the part as it stands, the run, the files of weights, and torch's generator."""
    part = (type(encoder), spell(encoder), repr(vars(encoder)))
    return (*part, reductions, repr(run), _weights_in(run.weights_dir), torch.get_rng_state().numpy().tobytes())


def _weights_in(folder: Path | None) -> tuple[tuple[str, int], ...]:
    """Names and times of its files: a person may put others there while a notebook goes on."""
    if folder is None or not folder.is_dir():
        return ()
    return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir()))
