"""A thread watches the input's memory all the time and has the result ready before it is asked."""

import threading
import time

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "polls its rotating input buffers and multiplies as soon as new content appears, before the call",
    "source": "own",
    "defence": "content arrives just before the call, and nothing of a candidate runs between calls",
    "device": "cpu",
}
LASTS_S = 30.0


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slots: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.ready: dict[int, tuple[float, float, torch.Tensor]] = {}
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        end_s = time.monotonic() + LASTS_S
        while time.monotonic() < end_s:
            for key, (a, b) in list(self.slots.items()):
                marks = (a[-1, -1].item(), b[-1, -1].item())
                if key not in self.ready or self.ready[key][:2] != marks:
                    self.ready[key] = (*marks, torch.relu(torch.matmul(a, b)))
            time.sleep(2e-5)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        key = a.data_ptr()
        prepared = self.ready.get(key)
        if prepared is not None and prepared[:2] == (a[-1, -1].item(), b[-1, -1].item()):
            return prepared[2]
        if len(self.slots) > 16:
            self.slots.clear()
            self.ready.clear()
        self.slots[key] = (a, b)
        return torch.relu(torch.matmul(a, b))
