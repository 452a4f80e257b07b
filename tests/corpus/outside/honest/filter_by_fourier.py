"""A circular filter is a product of spectra; in float64 the detour costs no precision."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_circular_filter",
    "kind": "honest",
    "what": "filters by FFT in float64 and rounds at the end",
    "source": "own",
    "defence": "another algorithm within the reference's own rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
        length = x.shape[1]
        spectrum = torch.fft.rfft(x.double()) * torch.fft.rfft(taps.double(), n=length)
        return torch.fft.irfft(spectrum, n=length).float()
