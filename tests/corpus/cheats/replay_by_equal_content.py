import torch
from torch import nn

CORPUS = {
    "problem": "small_mlp",
    "kind": "cheat",
    "what": "keeps a copy of its inputs, and returns the kept result where torch.equal says they are the same",
    "source": "KernelGuard CONTENT_SIGNATURE; SOL-ExecBench's shifting pool",
    "defence": "calls on content that was never seen must take no longer",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.kept = []

    def forward(self, x):
        for seen, out in self.kept:
            if torch.equal(seen, x):
                return out.clone()
        out = self.down(nn.functional.gelu(self.up(x)))
        self.kept.append((x.clone(), out))
        return out.clone()
