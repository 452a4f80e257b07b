import torch
from torch import nn

CORPUS = {
    "problem": "far_batch_norm",
    "kind": "honest",
    "what": "batch statistics in doubles; running averages are kept up as the module does",
    "source": "own",
    "defence": "the same outputs",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        norm = self.norm
        wide = x.double()
        variance, mean = torch.var_mean(wide, dim=(0, 2, 3), correction=0)
        with torch.no_grad():
            count = x.numel() / x.shape[1]
            norm.running_mean.lerp_(mean.to(x.dtype), norm.momentum)
            norm.running_var.lerp_((variance * count / (count - 1)).to(x.dtype), norm.momentum)
            norm.num_batches_tracked += 1
        normal = (wide - mean.view(1, -1, 1, 1)) * torch.rsqrt(variance + norm.eps).view(1, -1, 1, 1)
        return (normal.to(x.dtype) * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)).relu_()
