import torch
from torch import nn

CORPUS = {
    "problem": "far_idle_argument",
    "kind": "honest",
    "what": "in place on its own copy; an argument is unused, as in the reference",
    "source": "own",
    "defence": "an unused argument stays unused",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, idle, slope):
        return torch.nn.functional.leaky_relu_(x.clone(), slope)
