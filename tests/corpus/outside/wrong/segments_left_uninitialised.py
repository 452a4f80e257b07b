import torch
from torch import nn

CORPUS = {
    "problem": "far_segment_sums",
    "kind": "wrong",
    "what": "segments without rows are never written",
    "source": "own",
    "defence": "uninitialised memory where a segment is empty",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, segments):
        super().__init__()
        self.segments = segments

    def forward(self, x, segment):
        out = torch.empty(self.segments, x.shape[1])
        out[segment.unique()] = 0.0
        return out.index_add_(0, segment, x)
