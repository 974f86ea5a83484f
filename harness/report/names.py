"""Methods in few words."""

from __future__ import annotations

from collections.abc import Iterable

from harness.leaderboard import Method


def name_methods(methods: Iterable[Method]) -> dict[Method, str]:
    """Words that no other of these methods has: its title, and the settings in which methods of that title differ.

    Random weights are always named.
    """
    by_title: dict[str, set[Method]] = {}
    for method in methods:
        by_title.setdefault(method.title, set()).add(method)
    found = {}
    for title, alike in by_title.items():
        varying = [name for name in Method._fields[3:] if len({getattr(method, name) for method in alike}) > 1]
        for method in alike:
            words = [f"{name.replace('_', ' ')} {getattr(method, name)}" for name in varying if name != "weights"]
            told = method.weights == "random" or "weights" in varying
            found[method] = ", ".join([title, *words, *([f"{method.weights} weights"] if told else [])])
    return found
