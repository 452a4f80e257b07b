import torch
from torch import nn

CORPUS = {
    "problem": "far_max_pool",
    "kind": "honest",
    "what": "the maximum of nine shifted views of a padded copy, in channels-last memory",
    "source": "own",
    "defence": "other strides, the same values",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), value=float("-inf")).to(memory_format=torch.channels_last)
        height, width = ((n - 1) // 2 + 1 for n in x.shape[-2:])
        out = None
        for i in range(3):
            for j in range(3):
                view = padded[:, :, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2]
                out = (
                    view.clone(memory_format=torch.channels_last) if out is None else torch.maximum(out, view, out=out)
                )
        return out
