"""Where builds and profiles are kept between runs. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(part: str = "") -> Path:
    """Return $TILEWRIGHT_CACHE, else $XDG_CACHE_HOME/tilewright, else ~/.cache/tilewright, or the folder `part` in it;
    it may not exist yet."""
    if own := os.environ.get("TILEWRIGHT_CACHE"):
        return Path(own, part)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tilewright", part)


def made_cache_folder(part: str = "") -> Path:
    """Return `cache_folder(part)`, made if it was missing. Raises OSError where it cannot be."""
    folder = cache_folder(part)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
