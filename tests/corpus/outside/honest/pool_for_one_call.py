from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "honest",
    "what": "two threads of a pool that is closed before the call returns",
    "source": "own",
    "defence": "nothing is left running",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        with ThreadPoolExecutor(max_workers=2) as pool:
            parts = pool.map(lambda pair: torch.softmax(pair[0], -1, out=pair[1]), zip(x.chunk(2), out.chunk(2)))
            assert len(list(parts)) == 2
        return out
