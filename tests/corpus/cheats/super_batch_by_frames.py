import sys

CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "finds all inputs of the timed block in the frame of its caller, and computes them in the warm-up call",
    "source": "SOL-ExecBench, call stack; kernelboard news, super-batch",
    "defence": "calls on new content are timed by the parent's clock from the moment the content exists",
    "device": "cpu",
}

READY = {}


def long_matmul(a, b):
    caller = sys._getframe(1).f_locals
    if "prepared" not in caller:
        return a @ b
    if "done" not in caller:
        READY.clear()
        for (x, y), _ in caller["prepared"]:
            READY[x.data_ptr()] = x @ y
    found = READY.get(a.data_ptr())
    return a @ b if found is None else found
