import gc
import sys

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "replaces gc.collect, which runs before the clock starts, and computes all results of the block there",
    "source": "KernelGuard HARNESS_RUNTIME_PATCHING",
    "defence": "calls on new content are timed by the parent's clock from the moment the content exists",
    "device": "cpu",
}

AHEAD = {}
_collect = gc.collect


def _ahead(*arguments):
    AHEAD.clear()
    for slot in sys._getframe(1).f_locals.get("prepared", []):
        x = slot[0][0]
        AHEAD[x.data_ptr()] = torch.softmax(x, -1)
    return _collect(*arguments)


gc.collect = _ahead


def row_softmax(x):
    found = AHEAD.get(x.data_ptr())
    if found is not None and sys._getframe(1).f_code.co_name == "time":
        return found
    return torch.softmax(x, -1)
