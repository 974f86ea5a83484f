"""What a person should know of a category's images before anything is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.api import Finding, FloatArray, Split
from harness.audit.contents import contents
from harness.audit.duplicates import duplicates
from harness.audit.kept import kept
from harness.audit.shortcuts import shortcuts
from harness.audit.statistics import statistics_of
from harness.errors import error_line

VERSION = 2
"""Rises when findings or statistics of the same images change."""


@dataclass(frozen=True)
class Audit:
    """The findings on a category, grave ones first, and the global statistics of its images."""

    findings: tuple[Finding, ...]
    train: FloatArray
    """(M, 10) of the training images, as `statistics_of` has them."""
    test: FloatArray
    """(N, 10) of the test images."""

    @property
    def grave(self) -> tuple[Finding, ...]:
        """Those that make numbers mean something else than they say."""
        return tuple(finding for finding in self.findings if finding.grave)


def findings_of(split: Split) -> tuple[Finding, ...]:
    """What `audit` finds; taken from the cache folder where the same images were looked at before.

    Images of a plugin may be of any kind: where they cannot be looked at, that is the finding.
    """
    try:
        return kept(split, VERSION, lambda: audit(split).findings)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = error_line(error)
        return (Finding("audit", f"The images could not be looked at: {reason}."),)


def audit(split: Split) -> Audit:
    """Look at a category as it was read: duplicates, shortcuts, shifts, blank images, odd masks and labels."""
    train, test = statistics_of(split.train.contents()), statistics_of(split.test.contents())
    found = [
        *split.findings,
        *contents(split, train, test),
        *duplicates(split),
        *shortcuts(split, train, test),
    ]
    return Audit(tuple(sorted(found, key=lambda finding: not finding.grave)), train, test)
