"""Choices that papers seldom state, and what the same fits come to under each of them."""

from harness.conventions.choices import AUPRO, FIGURES, Convention, Figures
from harness.conventions.effects import Effect, effects
from harness.conventions.judging import Judged, Models, judged

__all__ = ["AUPRO", "FIGURES", "Convention", "Effect", "Figures", "Judged", "Models", "effects", "judged"]
