import torch
from torch import nn

CORPUS = {
    "problem": "far_running_lse",
    "kind": "honest",
    "what": "a scan by doubling distances with logaddexp",
    "source": "own",
    "defence": "the same sums in another order",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        out, step = x.clone(), 1
        while step < x.shape[-1]:
            out[:, step:] = torch.logaddexp(out[:, step:], out[:, :-step].clone())
            step *= 2
        return out
