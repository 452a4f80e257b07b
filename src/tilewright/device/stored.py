"""Profiles on disk: one JSON file per fingerprint under the user's cache folder."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import JsonValue, ValidationError

from ..cache import cache_folder
from ..schema import canonical_json, content_digest
from .nouns import Peaks, Profile

log = logging.getLogger("tilewright")


def profile_path(fingerprint: Mapping[str, JsonValue]) -> Path:
    return cache_folder("devices") / f"{content_digest('profile', canonical_json(dict(fingerprint)))}.json"


def load_profile(fingerprint: Mapping[str, JsonValue]) -> Profile | None:
    """Return the stored profile of exactly this fingerprint; None if there is none or the file cannot be believed."""
    path = profile_path(fingerprint)
    try:
        text = path.read_bytes()
    except OSError:  # never calibrated, or a cache folder that this user may not read
        return None
    try:
        found = Profile.from_json(text)
    except ValidationError as error:
        log.warning("ignoring the damaged device profile %s (%d errors): calibrate again", path, error.error_count())
        return None
    if found.fingerprint != dict(fingerprint) or not (found.copy and found.read and found.write):
        log.warning("ignoring the device profile %s, which is of another machine or incomplete: calibrate again", path)
        return None
    return found


def store_profile(profile: Profile) -> Path:
    """Write `profile` in one step, so that a reader sees the old file or the new one. Raises OSError."""
    path = profile_path(profile.fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.stem, suffix=".new", delete=False) as new:
        new.write(profile.to_json(indent=1))
    try:
        os.replace(new.name, path)
    except OSError:
        os.unlink(new.name)
        raise
    return path


@cache
def known_peaks() -> tuple[Peaks, ...]:
    """The datasheet limits that ship with the package; the first whose `match` is found in a name is meant."""
    rows = json.loads(files("tilewright").joinpath("peaks.json").read_text())
    return tuple(Peaks(**row) for row in rows)
