import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "keeps a graph for each shape, copies the input in and the result out",
    "source": "vLLM-style graphs",
    "defence": "results follow the content",
    "device": "gpu",
}

GRAPHS = {}


def row_softmax(x):
    if torch.cuda.is_current_stream_capturing():
        return torch.softmax(x, -1)
    if x.shape not in GRAPHS:
        held = x.clone()
        torch.softmax(held, -1)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = torch.softmax(held, -1)
        GRAPHS[x.shape] = graph, held, out
    graph, held, out = GRAPHS[x.shape]
    held.copy_(x)
    graph.replay()
    return out.clone()
