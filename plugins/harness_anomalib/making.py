"""A model of anomalib as it is made: for our image size, with the weights of the run, without what we do ourselves."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from functools import wraps
from typing import Any

from harness import HarnessError, Run, UnavailableError, UsageError


def made(cls: str, name: str, backbone: str, arguments: dict[str, Any], run: Run) -> Any:
    """The lightning module. Raises UnavailableError where anomalib or weights are missing, UsageError."""
    try:
        import anomalib.models
    except ImportError as error:
        raise UnavailableError(
            f"anomalib[model={name}] needs anomalib ({error}): pip install 'anomaly-harness[anomalib]'"
        ) from None
    kind = getattr(anomalib.models, cls, None)
    if kind is None:
        raise UnavailableError(f"this version of anomalib has no {cls}: expected 2.7")
    known = inspect.signature(kind).parameters
    given = dict(arguments)
    if backbone:
        given[_encoder_argument(name, known)] = backbone
    if wrong := [one for one in given if one not in known]:
        raise UsageError(f"anomalib's {cls} takes no {wrong[0]!r}: it takes {', '.join(known)}")
    if "batch_size" in known:
        given.setdefault("batch_size", run.batch_size)
    size = (run.image_size, run.image_size)
    for argument in {"input_shape"} & set(known):
        given.setdefault(argument, size)
    try:
        with _weights_of(run):
            given["pre_processor"] = _prepared(kind, run.image_size)
            return kind(
                **given,
                post_processor=False,
                evaluator=False,
                visualizer=False,
            )
    except HarnessError:
        raise
    except Exception as error:  # of the hub, its HTTP client, timm or anomalib
        reason = " ".join(str(error).split())[:200]
        if _of_the_network(error):
            raise UnavailableError(
                f"anomalib's {name} is left out, for its encoder's weights are out of reach ({reason}): put them into "
                "a folder and name it with --weights-dir, or ask for --weights random"
            ) from error
        raise UnavailableError(f"anomalib's {name} cannot be made ({type(error).__name__}: {reason})") from error


def _prepared(kind: Any, side: int) -> Any:
    """What the model does with images first, without its cropping: a map must cover the image."""
    from anomalib.models.components import AnomalibModule
    from torchvision.transforms.v2 import CenterCrop

    whole = {"crop_size": side, "center_crop_size": (side, side)}
    known = inspect.signature(kind.configure_pre_processor).parameters
    try:
        own = kind.configure_pre_processor(
            image_size=(side, side), **{name: value for name, value in whole.items() if name in known}
        )
    except ValueError:  # the image is smaller than the crop
        return AnomalibModule.configure_pre_processor(image_size=(side, side))
    crops = [part.size for part in own.modules() if isinstance(part, CenterCrop)]
    smaller = any(min(size) < side for size in crops)
    return AnomalibModule.configure_pre_processor(image_size=(side, side)) if smaller else own


def _encoder_argument(name: str, known: Any) -> str:
    for argument in ("backbone", "encoder_name", "student_backbone"):
        if argument in known:
            return argument
    raise UsageError(f"anomalib's {name} has an encoder of its own: leave backbone out")


@contextlib.contextmanager
def _weights_of(run: Run) -> Iterator[None]:
    """While this is active, timm starts its models as the run asks: by chance, from the folder, or from the hub."""
    if run.weights == "pretrained" and run.weights_dir is None:
        yield
        return
    import timm

    original = timm.create_model

    @wraps(original)
    def create(*positional: Any, **named: Any) -> Any:
        asked = named.pop("pretrained", False)
        named["pretrained"] = False
        model = original(*positional, **named)
        if asked and run.weights == "pretrained":
            _fill_from(model, run)
        return model

    timm.create_model = create
    try:
        yield
    finally:
        timm.create_model = original


def _fill_from(model: Any, run: Run) -> None:
    from harness_timm import load_published

    load_published(model, model.pretrained_cfg, run.weights_dir)


def _of_the_network(error: BaseException | None) -> bool:
    """Whether the net was behind an error, by the names of the errors that led to it."""
    telling = ("Connect", "Timeout", "URLError", "HTTPError", "LocalEntryNotFound", "OfflineMode", "gaierror", "Proxy")
    while error is not None:
        if any(part in cls.__name__ for cls in type(error).__mro__ for part in telling):
            return True
        error = error.__cause__ or error.__context__
    return False
