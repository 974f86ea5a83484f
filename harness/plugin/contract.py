"""The version of the contract between the harness and plugins."""

from __future__ import annotations

CONTRACT = 1
"""Rises when a plugin that keeps the contract would have to be changed; plugins/README.md has the policy."""
ATTRIBUTE = "harness_contract"
"""What a plugin's module calls the version that it is made for; without it, it is made for the first."""


def misfit(module: object) -> str:
    """Why a plugin cannot be used with this harness; empty when it can."""
    wanted = getattr(module, ATTRIBUTE, 1)
    if type(wanted) is not int or wanted < 1:
        return f"says {ATTRIBUTE} = {wanted!r}, expected the whole number of a contract, as {CONTRACT}"
    if wanted > CONTRACT:
        return f"is made for contract {wanted}, and this harness has contract {CONTRACT}: upgrade anomaly-harness"
    return ""
