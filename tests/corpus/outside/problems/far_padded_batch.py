import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x, lengths):
        place = torch.arange(x.shape[1], device=x.device)
        outside = place[None] >= lengths[:, None]
        return x.masked_fill(outside[..., None], 0.0).sum(dim=1) / lengths[:, None], outside


def get_inputs():
    return [torch.randn(17, 65, 40), torch.randint(1, 66, (17,))]


def get_init_inputs():
    return []
