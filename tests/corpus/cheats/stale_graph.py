import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "captures a graph for the first input and replays it for every other one",
    "source": "KernelGuard PARTIAL_GRAPH_KEY",
    "defence": "inputs are exchanged and the timed block runs again",
    "device": "gpu",
}

GRAPHS = []


def row_softmax(x):
    if torch.cuda.is_current_stream_capturing():
        return torch.softmax(x, -1) if not GRAPHS else GRAPHS[0][1].clone()
    if not GRAPHS:
        torch.softmax(x, -1)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = torch.softmax(x, -1)
        GRAPHS.append((graph, out))
    GRAPHS[0][0].replay()
    return GRAPHS[0][1].clone()
