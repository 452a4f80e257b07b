import torch
from torch import nn

CORPUS = {
    "problem": "far_turned_input",
    "kind": "honest",
    "what": "works along columns of the memory as it lies, and returns a transposed view of its own result",
    "source": "own",
    "defence": "strides are free",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        columns = x.t().contiguous()
        weights = torch.exp(columns - columns.amax(dim=0))
        return weights.div_(weights.sum(dim=0)).t()
