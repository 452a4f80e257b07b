CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "keeps results by the sum of the first input",
    "source": "KernelGuard VALUE_SIGNATURE",
    "defence": "calls on content that was never seen must take no longer",
    "device": "cpu",
}

KEPT = {}


def long_matmul(a, b):
    key = float(a[::8].sum())
    if key not in KEPT:
        KEPT[key] = a @ b
    return KEPT[key].clone()
