import torch
from torch import nn

CORPUS = {
    "problem": "far_spectrum",
    "kind": "wrong",
    "what": "the imaginary parts have the other sign",
    "source": "own",
    "defence": "the conjugate",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x, dim=-1).conj().resolve_conj()
