"""Frames between parent and child: a token, a number, a length, and JSON. Standard library only.

The parent asks and the child answers. Every request brings a token that is drawn for it; every frame of the answer
repeats the token and is numbered, from one. So nothing can be said before it is asked for, said twice or said late: a
frame that does not fit ends the conversation. Neither side waits longer than it said it would, for reading or writing.
Tensors never travel here, only where they lie in the arena.
"""

from __future__ import annotations

import json
import secrets
import select
import socket
import struct
import time
from typing import Any, NoReturn

_HEADER = struct.Struct("<16sII")
MAX_FRAME_BYTES = 8 << 20
MOST_LEVELS = 16
SEND_S = 10.0  # a child that is asked has nothing else to do than to read


class WireError(Exception):
    """The other side is gone, or does not speak the protocol."""


class WireTimeout(WireError):
    """The other side did not answer, or did not read, in time."""


class WireForged(WireError):
    """A frame that this side did not ask for, or that no honest side would write."""


class _Wire:
    """What both ends share: whole frames, deadlines, limits."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self.token = bytes(16)
        self.number = 0

    def _put(self, message: dict[str, Any], deadline: float | None) -> None:
        body = json.dumps(message).encode()
        if len(body) > MAX_FRAME_BYTES:
            raise WireError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}")
        rest = memoryview(_HEADER.pack(self.token, self.number, len(body)) + body)
        while rest:
            self._wait(select.POLLOUT, deadline)
            try:
                rest = rest[self.sock.send(rest, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise WireError(f"the other side is gone: {error}") from None

    def _get(self, deadline: float | None) -> tuple[bytes, int, bytes]:
        token, number, size = _HEADER.unpack(self._take(_HEADER.size, deadline))
        if size > MAX_FRAME_BYTES:
            raise WireForged(f"a frame of {size} bytes, where {MAX_FRAME_BYTES} are the limit")
        self._expect(token, number)
        return token, number, self._take(size, deadline)

    def _expect(self, token: bytes, number: int) -> None:
        """Refuse a frame by its header, before its body is read."""

    def _take(self, size: int, deadline: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait(select.POLLIN, deadline)
            try:
                part = self.sock.recv(min(1 << 20, size - len(parts)), socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError as error:
                raise WireError(f"the other side is gone: {error}") from None
            if not part:
                raise WireError("the other side closed the conversation")
            parts += part
        return bytes(parts)

    def _wait(self, for_what: int, deadline: float | None) -> None:
        ready = select.poll()  # unlike select(), it takes descriptors of any number
        ready.register(self.sock, for_what)
        left = None if deadline is None else max(0.0, 1e3 * (deadline - time.monotonic()))
        if not ready.poll(left):
            raise WireTimeout("no answer in time" if for_what == select.POLLIN else "nothing is read in time")


class Asker(_Wire):
    """The parent's end."""

    def send(self, message: dict[str, Any], timeout_s: float = SEND_S) -> None:
        """Ask. What was asked before is over: its token opens nothing any more."""
        self.token, self.number = secrets.token_bytes(16), 0
        self._put(message, time.monotonic() + timeout_s)

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The next frame of the answer to what was asked last."""
        _, self.number, body = self._get(None if timeout_s is None else time.monotonic() + timeout_s)
        return _parsed(body)

    def _expect(self, token: bytes, number: int) -> None:
        if token != self.token or number != self.number + 1:
            raise WireForged("a frame that was not asked for")


class Answerer(_Wire):
    """The child's end."""

    def send(self, message: dict[str, Any]) -> None:
        self.number += 1
        self._put(message, None)

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The next request."""
        found = self._get(None if timeout_s is None else time.monotonic() + timeout_s)
        self.token, self.number, body = found
        return json.loads(body)


def _parsed(body: bytes) -> dict[str, Any]:
    """Read what an untrusted process wrote."""
    try:
        message = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise WireForged("a frame that is not JSON") from None
    if not isinstance(message, dict):
        raise WireForged("a frame that is no object")
    level: list[Any] = [message]
    for _ in range(MOST_LEVELS):
        level = [v for item in level for v in (item.values() if isinstance(item, dict) else item) if _nests(v)]
        if not level:
            return message
    raise WireForged(f"a frame of more than {MOST_LEVELS} levels")


def _nests(value: Any) -> bool:
    return isinstance(value, dict | list)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
