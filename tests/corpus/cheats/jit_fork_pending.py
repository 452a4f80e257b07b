import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "leaves the work to torch.jit.fork and returns before it is done",
    "source": "williamqwu corpus, test_jit_fork",
    "defence": "results are copied out at once",
    "device": "cpu",
}


@torch.jit.script
def _work(x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    return out.copy_(torch.softmax(x, -1))


@torch.jit.script
def _start(x: torch.Tensor, out: torch.Tensor):
    torch.jit.fork(_work, x, out)


def row_softmax(x):
    out = torch.empty_like(x)
    _start(x, out)
    return out
