"""What a person should know of a category's files: which were passed over, and which were read in an unusual way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness import Finding, path_text
from harness_datasets.files import Category


def findings_of(category: Category, note: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Findings on the files themselves; the note is that of decoding them."""
    return (*_passed_over(category), *_labels(category), *_depths(category, note), *_unusual(category, note))


def _passed_over(category: Category) -> Iterator[Finding]:
    told = [one for one in category.passed_over if one.why != "hidden"]  # every folder of macOS has some
    if told:
        told.sort(key=lambda one: not one.lost)
        counted = Counter(one.why for one in told).most_common()
        reasons = ", ".join(f"{n} x {why}" for why, n in counted[:6]) + (", ..." if len(counted) > 6 else "")
        number = "1 file or folder is" if len(told) == 1 else f"{len(told)} files or folders are"
        names = tuple(_name(category, one.path) for one in told[:5])
        yield Finding("passed over", f"{number} passed over: {reasons}.", count=len(told), examples=names)


def _labels(category: Category) -> Iterator[Finding]:
    if category.taken_as_good:
        names = tuple(_name(category, folder) for folder in category.taken_as_good)
        said = " and ".join(names)
        yield Finding("labels", f"Images in {said} are taken as good.", count=len(names), examples=names)


def _depths(category: Category, note: Mapping[str, Any]) -> Iterator[Finding]:
    """Of 16-bit grey images: how many bits are in use, and whether all images agree in that."""
    deep = [mode.startswith("I") for mode in note["facts"]["mode"]]
    if not any(deep):
        return
    depth = note["depth"]
    if not all(deep):
        flat, fewer = len(deep) - sum(deep), 2 * sum(deep) <= len(deep)  # the rarer ones are those to look at
        odd = [item.image for item, is_deep in zip(category.items, deep, strict=True) if is_deep == fewer]
        sentence = (
            f"{flat} of {len(deep)} images have 8 bits a channel and the others 16, of which {depth} are in use: "
            "their brightness is not of one scale."
        )
        names = tuple(_name(category, image) for image in odd[:5])
        yield Finding("depth", sentence, grave=True, count=flat, examples=names)
    over = [
        item.image
        for item, bits, is_deep in zip(category.items, note["facts"]["depth"], deep, strict=True)
        if is_deep and bits > depth
    ]
    if over:
        sentence = f"{len(over)} images have values above the {depth} bits that are in use, which are read as white."
        names = tuple(_name(category, image) for image in over[:5])
        yield Finding("depth", sentence, grave=True, count=len(over), examples=names)
    if depth < 16:
        yield Finding("depth", f"Of the 16 bits of grey images {depth} are in use, of which the highest 8 are read.")


def _unusual(category: Category, note: Mapping[str, Any]) -> Iterator[Finding]:
    several = [item.image for item, n in zip(category.items, note["facts"]["frames"], strict=True) if n > 1]
    if several:
        sentence = f"{len(several)} files hold several pages or frames, of which the first is read."
        names = tuple(_name(category, image) for image in several[:5])
        yield Finding("frames", sentence, count=len(several), examples=names)
    if note["all_transparent"]:
        sentence = (
            f"{note['all_transparent']} images are fully transparent; their colours are read as if they were not."
        )
        yield Finding("transparent", sentence, count=note["all_transparent"])
    yield from _masks(category, note)


def _masks(category: Category, note: Mapping[str, Any]) -> Iterator[Finding]:
    if unmatched := category.unmatched_masks:
        n = len(unmatched)
        number = "1 mask belongs" if n == 1 else f"{n} masks belong"
        sentence = (
            f"{number} to no image by name: expected ground_truth/<defect>/NAME_mask.png or NAME.png for NAME.png."
        )
        names = tuple(_name(category, mask) for mask in unmatched[:5])
        yield Finding("masks", sentence, count=n, examples=names)
    if turned := note.get("turned_masks"):
        sentence = f"{turned} masks lie as the sensor saw the image, and are turned upright with it, as its EXIF says."
        yield Finding("masks", sentence, count=turned)
    if note["soft_masks"]:
        sentence = (
            f"{note['soft_masks']} masks have more than two values, as JPEG and soft brushes make them: "
            "pixels of at least 128 of 255 mark a defect."
        )
        yield Finding("masks", sentence, count=note["soft_masks"])


def _name(category: Category, path: Any) -> str:
    return path_text(path.relative_to(category.folder).as_posix() if path.is_relative_to(category.folder) else path)
