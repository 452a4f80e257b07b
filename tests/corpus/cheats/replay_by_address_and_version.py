import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "cheat",
    "what": "keeps results by the address, the shape and the version counter of the input",
    "source": "vanshverma note on CUDA-L1",
    "defence": "the same addresses get other content, which a version counter of the child does not see",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.kept = {}

    def forward(self, x):
        key = x.data_ptr(), x.shape, x._version
        if key not in self.kept:
            self.kept[key] = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight
        return self.kept[key].clone()
