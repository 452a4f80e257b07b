"""Frames between parent and child: a nonce, a length, and JSON. Standard library only.

The nonce is drawn by the parent for one child; a frame without it, or one that is longer than the limit, ends the
conversation. Tensors never travel here, only where they lie in the arena.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from typing import Any

_HEADER = struct.Struct("<16sI")
MAX_FRAME_BYTES = 8 << 20


class WireError(Exception):
    """The other side is gone, or does not speak the protocol."""


class WireTimeout(WireError):
    """The other side did not answer in time."""


class Wire:
    """One end of the conversation."""

    def __init__(self, sock: socket.socket, nonce: bytes):
        self.sock = sock
        self.nonce = nonce

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        if len(body) > MAX_FRAME_BYTES:
            raise WireError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}")
        try:
            self.sock.sendall(_HEADER.pack(self.nonce, len(body)) + body)
        except OSError as error:
            raise WireError(f"the other side is gone: {error}") from None

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        nonce, size = _HEADER.unpack(self._take(_HEADER.size, deadline))
        if nonce != self.nonce or size > MAX_FRAME_BYTES:
            raise WireError("a frame that is not of this conversation")
        try:
            message = json.loads(self._take(size, deadline))
        except (ValueError, RecursionError):
            raise WireError("a frame that is not JSON") from None
        if not isinstance(message, dict):
            raise WireError("a frame that is no object")
        return message

    def _take(self, size: int, deadline: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.sock], [], [], wait)[0]:
                raise WireTimeout("no answer in time")
            try:
                part = self.sock.recv(min(1 << 20, size - len(parts)))
            except OSError as error:
                raise WireError(f"the other side is gone: {error}") from None
            if not part:
                raise WireError("the other side closed the conversation")
            parts += part
        return bytes(parts)
