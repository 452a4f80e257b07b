import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "launches the work on another stream and returns without a join",
    "source": "KernelBench non_default_stream; CUDA-L2",
    "defence": "all kernels of a block are seen by CUPTI; results of replays are judged",
    "device": "gpu",
}

STREAMS = []


def row_softmax(x):
    if not STREAMS:
        STREAMS.append(torch.cuda.Stream())
    out = torch.empty_like(x)
    with torch.cuda.stream(STREAMS[0]):
        torch.softmax(x, -1, out=out)
    return out
