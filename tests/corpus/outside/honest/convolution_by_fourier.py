import torch
from torch import nn

CORPUS = {
    "problem": "far_conv_rows",
    "kind": "honest",
    "what": "convolves by Fourier transforms in doubles, padded so that nothing wraps",
    "source": "own",
    "defence": "more exact than the reference",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, channels, filters, width):
        super().__init__()
        self.conv = nn.Conv1d(channels, filters, width)

    def forward(self, x):
        weight, bias = self.conv.weight, self.conv.bias
        outputs = x.shape[-1] - weight.shape[-1] + 1
        size = 1 << (x.shape[-1] + weight.shape[-1] - 1).bit_length()
        signal = torch.fft.rfft(x.double(), size)
        kernel = torch.fft.rfft(weight.double(), size).conj()
        found = torch.fft.irfft(torch.einsum("bcf,ocf->bof", signal, kernel), size)
        return (found[..., :outputs] + bias.double()[:, None]).to(x.dtype)
