from torch import nn

CORPUS = {
    "problem": "far_segment_sums",
    "kind": "wrong",
    "what": "adds with x[i] += y, where of several rows of a segment one is kept",
    "source": "own",
    "defence": "what a race leaves",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, segments):
        super().__init__()
        self.segments = segments

    def forward(self, x, segment):
        out = x.new_zeros(self.segments, x.shape[1])
        half = x.shape[0] // 2
        out.index_add_(0, segment[:half], x[:half])
        for rows in range(half, x.shape[0], 2):
            part = slice(rows, rows + 2)
            out[segment[part]] += x[part]
        return out
