"""What light, camera and mounting do to photos, in five severities."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Corruption, hookimpl


@hookimpl
def harness_corruptions() -> Iterable[type[Corruption]]:
    """Offer changes of light, of the camera and of how the part lies before it."""
    from harness_corruptions.camera import Defocus, Dust, Jpeg, MotionBlur, Noise
    from harness_corruptions.light import Brightness, Colour, Contrast
    from harness_corruptions.mounting import Rotation, Scale, Shift

    return [Brightness, Contrast, Colour, Defocus, MotionBlur, Noise, Jpeg, Shift, Rotation, Scale, Dust]
