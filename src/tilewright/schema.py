"""The base of every noun that is written to disk: immutable, versioned, content-addressed.

Imports nothing of ours. A noun is a frozen pydantic model. Unknown fields survive a round trip (a newer or a foreign
writer loses nothing through us), and `digest` is the SHA-256 of the canonical JSON, so that equal content has an equal
name everywhere.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticSerializationError

SCHEMA_VERSION = 1


def canonical_json(data: Any) -> str:
    """Return JSON with sorted keys and no white space; NaN and infinities are refused (ValueError)."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def content_digest(*parts: str | bytes) -> str:
    """Return 16 hexadecimal digits that name the content of `parts`, their borders included."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        sha.update(len(raw).to_bytes(8, "little"))
        sha.update(raw)
    return sha.hexdigest()[:16]


class Noun(BaseModel):
    """A frozen record with a version field, a digest and JSON both ways."""

    model_config = ConfigDict(frozen=True, extra="allow", arbitrary_types_allowed=True)

    version: int = SCHEMA_VERSION

    @cached_property
    def digest(self) -> str:
        return content_digest(type(self).__name__, canonical_json(self.model_dump(mode="json")))

    def to_json(self, indent: int | None = None) -> str:
        """JSON in UTF-8; what no encoding takes (a file name of bytes that are no text) is written as an escape."""
        try:
            return self.model_dump_json(indent=indent)
        except PydanticSerializationError:
            return json.dumps(self.model_dump(), indent=indent, default=str)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        return cls.model_validate_json(text)

    def with_(self, **changes: Any) -> Self:
        """Return a copy with fields replaced, validated again; fields kept out of JSON are carried over."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **(self.model_extra or {}), **changes})
