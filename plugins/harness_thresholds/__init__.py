"""Nothing here yet."""

from __future__ import annotations
