import torch

import __main__

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "swaps the code object of the program's timing function, so that its identity stays the same",
    "source": "KernelGuard CODE_REPLACEMENT",
    "defence": "nothing that the child reports decides anything; the parent's own clock",
    "device": "cpu",
}


def _time(self, message):
    schedule = bytes.fromhex(self.begin()["schedule"])
    count = len(schedule)
    self.wire.send({"ended": 1, "done": count})
    stamps = self.raw[message["stamps"] : message["stamps"] + 8 * (count + 1)].view(self.torch.int64)
    stamps[:] = self.torch.arange(count + 1)
    args, function = self.prepare(message["slots"][schedule[-1]])
    out = function(*args)
    metas = [self.meta(0, out, message["slots"][0], (out,))]
    return {"metas": metas, "written": self.copy_out((out,), message["regions"]), "done": count}


if hasattr(__main__, "Program"):
    __main__.Program.time.__code__ = _time.__code__


def row_softmax(x):
    return torch.softmax(x, -1)
