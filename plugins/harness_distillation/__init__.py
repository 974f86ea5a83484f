"""Models that learn to repeat a frozen encoder's features of normal images, and fail to on others."""

from __future__ import annotations

from harness import Model, hookimpl
from harness_distillation.efficient_ad import EfficientAD
from harness_distillation.models import ReverseDistillation, StudentTeacher

__all__ = ["EfficientAD", "ReverseDistillation", "StudentTeacher"]


@hookimpl
def harness_models() -> list[type[Model]]:
    """Offer `student_teacher`, `reverse_distillation` and `efficient_ad`."""
    return [StudentTeacher, ReverseDistillation, EfficientAD]
