import torch
from torch import nn

CORPUS = {
    "problem": "far_segment_sums",
    "kind": "wrong",
    "what": "takes differences of prefix sums, which carry a NaN of one segment into all that follow",
    "source": "own",
    "defence": "rows that no NaN belongs to are finite",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, segments):
        super().__init__()
        self.segments = segments

    def forward(self, x, segment):
        order = segment.argsort(stable=True)
        ends = torch.searchsorted(segment[order], torch.arange(self.segments), right=True)
        sums = torch.cat([x.new_zeros(1, x.shape[1], dtype=torch.float64), x[order].double().cumsum(0)])
        starts = torch.cat([ends.new_zeros(1), ends[:-1]])
        return (sums[ends] - sums[starts]).to(x.dtype)
