from torch import nn

CORPUS = {
    "problem": "far_running_lse",
    "kind": "wrong",
    "what": "the logarithm of a running sum of exponentials less the row's maximum",
    "source": "own",
    "defence": "early entries that are far below the maximum are lost",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        top = x.amax(dim=-1, keepdim=True)
        return (x - top).exp().cumsum(dim=-1).log() + top
