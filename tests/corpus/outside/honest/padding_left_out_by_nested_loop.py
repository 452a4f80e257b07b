import torch
from torch import nn

CORPUS = {
    "problem": "far_padded_batch",
    "kind": "honest",
    "what": "sums each sample's own places in a loop",
    "source": "own",
    "defence": "what is outside is never read",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, lengths):
        ends = lengths.tolist()
        means = torch.stack([sample[:end].sum(0) / end for sample, end in zip(x, ends)])
        return means, ~(torch.arange(x.shape[1]).expand(len(ends), -1) < lengths[:, None])
