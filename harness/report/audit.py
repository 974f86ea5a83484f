"""Findings on the images of a category, as lines for a person."""

from __future__ import annotations

from harness.api import Finding
from harness.printable import printable


def finding_line(category: str, finding: Finding) -> str:
    """`screw: GRAVE shortcut. The brightness alone ... (brightness 1.00, ...)`, in one line for a person."""
    grave = "GRAVE " if finding.grave else ""
    examples = f" ({', '.join(finding.examples)})" if finding.examples else ""
    return printable(f"{category}: {grave}{finding.name}. {finding.sentence}{examples}")
