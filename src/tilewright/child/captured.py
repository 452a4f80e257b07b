"""What a child prints: drained as it comes, and kept short."""

from __future__ import annotations

import os
import selectors
import threading
import time

from .answers import plain
from .nursery import Born

_KEPT_OUTPUT_BYTES = 64 << 10


class Captured:
    """Drains what a child prints; keeps the first and the last of it, and how much there was."""

    def __init__(self) -> None:
        self.head = bytearray()
        self.tail = bytearray()
        self.total_bytes = 0
        self._thread: threading.Thread | None = None

    def follow(self, process: Born) -> None:
        self._thread = threading.Thread(target=self._drain, args=(process,), daemon=True)
        self._thread.start()

    def _drain(self, process: Born) -> None:
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
                        continue
                    self._keep(data)

    def _keep(self, data: bytes) -> None:
        self.total_bytes += len(data)
        room = _KEPT_OUTPUT_BYTES // 2 - len(self.head)
        self.head += data[: max(room, 0)]
        self.tail = (self.tail + data[max(room, 0) :])[-_KEPT_OUTPUT_BYTES // 2 :]

    def text(self) -> str:
        time.sleep(0.01)  # what was printed last may still be in the pipe
        cut = self.total_bytes - len(self.head) - len(self.tail)
        middle = f"\n[... {cut} bytes cut ...]\n".encode() if cut > 0 else b""
        return plain(bytes(self.head + middle + self.tail).decode(errors="replace"))

    def stop(self) -> None:
        if self._thread is not None:
            self._thread.join(timeout=1)
