import torch
from torch import nn

CORPUS = {
    "problem": "far_conv_rows",
    "kind": "wrong",
    "what": "Fourier transforms in doubles without enough padding: the last three outputs see the first inputs",
    "source": "own",
    "defence": "the tail differs",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, channels, filters, width):
        super().__init__()
        self.conv = nn.Conv1d(channels, filters, width)

    def forward(self, x):
        weight, bias = self.conv.weight, self.conv.bias
        outputs = x.shape[-1] - weight.shape[-1] + 1
        size = x.shape[-1] - 3
        signal = torch.fft.rfft(torch.nn.functional.pad(x.double(), (0, -3)), size)
        kernel = torch.fft.rfft(weight.double(), size).conj()
        found = torch.fft.irfft(torch.einsum("bcf,ocf->bof", signal, kernel), size)
        return (found[..., :outputs] + bias.double()[:, None]).to(x.dtype)
