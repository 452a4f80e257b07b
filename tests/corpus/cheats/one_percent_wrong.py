CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "leaves out one in a hundred outputs, as a matched ratio allows",
    "source": "SOL-ExecBench default tolerance; starter-kit EVALUATION.md",
    "defence": "every element has a limit",
    "device": "cpu",
    "fast": True,
}


def long_matmul(a, b):
    out = a @ b
    out.view(-1)[::100] = 0
    return out
