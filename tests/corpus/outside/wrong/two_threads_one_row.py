import threading

import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "wrong",
    "what": "two threads share a scratch tensor for their sums without a lock",
    "source": "own",
    "defence": "one of them may use the other's sums",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        total = torch.empty(x.shape[0] // 2, 1)
        gate = threading.Barrier(2)

        def work(rows, result):
            weights = torch.exp(rows - rows.amax(-1, keepdim=True))
            gate.wait()
            torch.sum(weights, -1, keepdim=True, out=total)
            gate.wait()
            torch.div(weights, total, out=result)

        threads = [threading.Thread(target=work, args=pair) for pair in zip(x.chunk(2), out.chunk(2))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return out
