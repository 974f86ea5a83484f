"""`setting` and `together`: one model for each category, or one for several that is judged on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import unknown_name
from harness.plugin.grammar import unquoted
from harness.printable import listed
from harness.trials.protocols.protocol import Category, Protocol
from harness.trials.settings import Settings
from harness.trials.together import ONE_CLASS


class Joint(Protocol):
    """The worker fits one model to all categories. Each category is presented as it is, so `present` does nothing."""

    fields = ("setting", "together")

    def asked(self, settings: Settings) -> Sequence[Mapping[str, Any]]:
        together = listed([unquoted(name) for name in settings.together or ()])
        return [{} if one == ONE_CLASS else {"setting": one, "together": together} for one in settings.setting]

    def fault(self, asked: Settings, category: Category) -> str:
        joint = next((one for one in asked.setting if one != ONE_CLASS), None)
        if joint is None:
            return ""
        together = [unquoted(name) for name in asked.together or ()] or list(category.among)
        called = asked.called
        if len(together) < 2:
            return (
                f"{called('setting')} {joint}: one model for several categories takes two or more, and there is only "
                f"{together[0]}; give {called('setting')} {ONE_CLASS}, or more {called('together')}"
            )
        unknown = next((name for name in together if name not in category.known), None)
        if unknown is not None:
            return f"{called('together')}: {unknown_name('category', unknown, category.known)}"
        if category.name not in together:
            return (
                f"{called('together')} {listed(together)} lacks {category.name}, which is to be judged: add it, "
                f"or leave it out of {called('categories')}"
            )
        return ""
