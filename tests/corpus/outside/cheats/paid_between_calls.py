import threading

from torch import nn

CORPUS = {
    "problem": "far_matmul",
    "kind": "cheat",
    "what": "a thread that lives on multiplies inputs as soon as they are written, before the call",
    "source": "own",
    "defence": "nothing is known before the call",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = self.out = None
        self.gate = threading.Event()

    def watch(self):
        while True:
            self.gate.wait()
            a, b, probe = self.last
            if float(a[0, 0]) != probe:
                self.out = float(a[0, 0]), a @ b
                self.gate.clear()

    def forward(self, a, b):
        if self.last is None:
            threading.Thread(target=self.watch, daemon=True).start()
        found, self.last = self.out, (a, b, float(a[0, 0]))
        self.gate.set()
        if found is not None and found[0] == float(a[0, 0]):
            return found[1]
        return a @ b
