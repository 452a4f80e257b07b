"""Triage: what in a candidate's text deserves a look, with the line and the reason. It never decides a verdict.

Every mechanism here can be written so that no rule sees it, and most have honest uses; the wall, the inputs and the
clock are what a verdict rests on. The rules save a reader time: they say where to look first.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from ..candidate import Candidate
from ..schema import Noun
from ..syntax import tree_of

_MOST = 40  # suspicions per candidate: a longer list is read by nobody


class Suspicion(Noun):
    """What deserves a look in a candidate: the line, 0 for the file as a whole, the rule, its reason, and the text."""

    line: int
    rule: str
    reason: str
    text: str = ""


# rule -> (reason, dotted names; one that ends in a dot means everything below it)
_NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "frames": (
        "a caller's variables are no input of a kernel",
        ("sys._getframe", "inspect.currentframe", "inspect.stack", "inspect.getouterframes", "sys._current_frames"),
    ),
    "objects": (
        "objects of the process that were not handed over",
        ("gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys.modules", "__main__."),
    ),
    "addresses": (
        "reads or writes memory by its address",
        ("ctypes.string_at", "ctypes.wstring_at", "ctypes.memmove", "ctypes.memset", "ctypes.pythonapi.", "mmap."),
    ),
    "channels": (
        "writes where results and times are reported, or beyond the process",
        ("socket.", "os.write", "os.dup", "os.dup2", "os.pipe", "os.fdopen", "os.sendfile", "os._exit", "os.kill"),
    ),
    "background work": (
        "work that goes on after the call has returned is not timed",
        ("threading.", "multiprocessing.", "concurrent.futures.", "subprocess.", "os.fork", "os.system", "os.popen",
         "torch.jit.fork", "torch.multiprocessing.", "asyncio."),
    ),
    "hidden code": (
        "the text that runs is not the text that is read",
        ("exec", "eval", "compile", "__import__", "importlib.", "base64.", "marshal.", "zlib.", "lzma.",
         "codecs.decode", "pickle."),
    ),
    "mode": (
        "tells how it is being run, which must make no difference",
        ("sys.argv", "os.environ", "os.getenv", "os.getppid", "platform.", "getpass."),
    ),
    "hooks": (
        "runs at a time of its own",
        ("atexit.", "signal.", "sys.settrace", "sys.setprofile", "sys.meta_path", "sys.path_hooks", "weakref.finalize",
         "torch.utils._python_dispatch.", "sys.excepthook"),
    ),
    "seeds": (
        "could draw the inputs, or the reference's noise, again",
        ("torch.manual_seed", "torch.initial_seed", "torch.set_rng_state", "torch.get_rng_state", "random.seed",
         "numpy.random.seed"),
    ),
    "precision": (
        "changes the precision of what others compute too",
        ("torch.set_float32_matmul_precision", "torch.set_default_dtype", "torch.autocast", "torch.amp.",
         "torch.cuda.amp.", "torch.set_flush_denormal", "torch.backends."),
    ),
    "streams": (
        "work on another stream must be joined before the call returns",
        ("torch.cuda.Stream", "torch.cuda.stream", "torch.cuda.CUDAGraph", "torch.cuda.graph",
         "torch.cuda.make_graphed_callables"),
    ),
    "clock": ("reads or waits for time", ("time.",)),
    "files": ("results may be kept in files", ("tempfile.", "shutil.", "pathlib.", "io.open", "open")),
    "lazy tensors": (
        "a tensor that computes when it is looked at",
        ("torch.Tensor._make_subclass", "torch.Tensor._make_wrapper_subclass", "torch._subclasses."),
    ),
}  # fmt: skip
_ATTRIBUTES = {
    "frames": ("f_back", "f_locals", "f_globals", "tb_frame", "gi_frame", "cr_frame"),
    "patching": ("__code__", "__globals__", "__closure__", "__builtins__", "__subclasses__", "__dict__"),
    "addresses": ("from_address", "from_buffer"),
}
_PATCHED = ("torch", "time", "sys", "builtins", "triton", "numpy", "os", "gc", "tilewright", "ctypes")
_PATCHING = "changes what other code calls: clocks, checks, allocation"
_HOOK_METHODS = ("__torch_function__", "__torch_dispatch__", "__del__", "__eq__", "__bool__")
_REASONS = {rule: reason for rule, (reason, _) in _NAMES.items()} | {
    "patching": _PATCHING,
    "swallowed errors": "if the kernel fails, something else answers, and nobody hears of it",
    "kept by address": "an address or identity says nothing about content: results may be replayed",
    "own class of tensor": "methods that the caller will call unknowingly",
    "reference's operation": "the reference's own operation does the work, not a kernel in the candidate's language",
    "unreadable": "the text is no Python",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that a reference and any wrapper around a kernel share without meaning anything.
_ORDINARY = _words(
    "empty empty_like zeros zeros_like ones full view reshape contiguous size shape stride dim numel item float half "
    "to type expand permute transpose unsqueeze squeeze flatten clone detach device cuda cpu super range len int print "
    "__init__ Parameter Module append tuple list dict isinstance bool str min max sqrt rsqrt abs arange Tensor copy_ t "
    "double bfloat16 long unbind chunk split stack cat ceil floor data_ptr is_contiguous element_size"
)


def screen(candidate: Candidate, reference_source: str = "") -> tuple[Suspicion, ...]:
    """Return what deserves a look in `candidate`, by line. `reference_source` is the problem's text: a candidate in a
    kernel language that calls the operations of its reference may have no kernel in it that matters."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = tree_of(candidate.source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        return (_suspicion(line, "unreadable", str(error)),)
    found = list(_Screen(_aliases(tree)).of(tree))
    if candidate.language != "torch" and reference_source:
        found += _reference_calls(tree, reference_source)
    unique = {(s.line, s.rule, s.text): s for s in found}
    return tuple(sorted(unique.values(), key=lambda s: (s.line, s.rule)))[:_MOST]


def _suspicion(line: int, rule: str, text: str) -> Suspicion:
    return Suspicion(line=line, rule=rule, reason=_REASONS[rule], text=" ".join(text.split())[:120])


def _aliases(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: {"pc": "time.perf_counter"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


class _Screen:
    """The rules, over one tree whose imported names are `aliases`."""

    def __init__(self, aliases: dict[str, str]):
        self.aliases = aliases

    def of(self, tree: ast.AST) -> Iterator[Suspicion]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute):
                yield from self.name(node)
            elif isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
                yield from self.assigned(node)
            elif isinstance(node, ast.Call):
                yield from self.call(node)
            elif isinstance(node, ast.Try):
                yield from self.handlers(node)
            elif isinstance(node, ast.Subscript | ast.Compare):
                yield from self.keyed(node)
            elif isinstance(node, ast.ClassDef):
                yield from self.tensor_class(node)

    def dotted(self, node: ast.AST) -> str:
        """The full name of `a.b.c`, imports resolved; "" for anything that is no plain name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        first = self.aliases.get(node.id, node.id if not parts else f"?{node.id}")
        return ".".join([first, *reversed(parts)])

    def name(self, node: ast.Name | ast.Attribute) -> Iterator[Suspicion]:
        full = self.dotted(node)
        for rule, (_, names) in _NAMES.items():
            if any(full.startswith(n) if n.endswith(".") else full == n for n in names):
                yield _suspicion(node.lineno, rule, full)
        if isinstance(node, ast.Attribute):
            for rule, attributes in _ATTRIBUTES.items():
                if node.attr in attributes:
                    yield _suspicion(node.lineno, rule, ast.unparse(node))

    def assigned(self, node: ast.Assign | ast.AugAssign | ast.Delete) -> Iterator[Suspicion]:
        targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
        for target in targets:
            full = self.dotted(target.value if isinstance(target, ast.Subscript) else target)
            if "." in full and full.split(".")[0] in _PATCHED:
                yield _suspicion(node.lineno, "patching", ast.unparse(node))

    def call(self, node: ast.Call) -> Iterator[Suspicion]:
        if self.dotted(node.func) in ("setattr", "delattr") and node.args:
            first = self.dotted(node.args[0]).split(".")[0]
            if first in _PATCHED or not isinstance(node.args[1] if len(node.args) > 1 else None, ast.Constant):
                yield _suspicion(node.lineno, "patching", ast.unparse(node))

    def handlers(self, node: ast.Try) -> Iterator[Suspicion]:
        """Handlers of everything that neither raise again nor only clean up."""
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            broad = any(k is None or self.dotted(k) in ("Exception", "BaseException", "RuntimeError") for k in kinds)
            again = any(isinstance(n, ast.Raise) for n in ast.walk(handler))
            imports = all(isinstance(n, ast.Import | ast.ImportFrom) for n in node.body)
            if broad and not again and not imports:
                yield _suspicion(handler.lineno, "swallowed errors", ast.unparse(handler).splitlines()[0])

    def keyed(self, node: ast.Subscript | ast.Compare) -> Iterator[Suspicion]:
        key = node.slice if isinstance(node, ast.Subscript) else node.left
        for part in ast.walk(key):
            if not isinstance(part, ast.Call):
                continue
            by_address = isinstance(part.func, ast.Attribute) and part.func.attr in ("data_ptr", "untyped_storage")
            if by_address and isinstance(node, ast.Compare):
                by_address = any(isinstance(op, ast.In | ast.NotIn | ast.Eq) for op in node.ops)
                by_address = by_address and not any(isinstance(n, ast.Mod) for n in ast.walk(key))
            if by_address or (isinstance(part.func, ast.Name) and part.func.id == "id"):
                yield _suspicion(node.lineno, "kept by address", ast.unparse(node))

    def tensor_class(self, node: ast.ClassDef) -> Iterator[Suspicion]:
        tensors = ("torch.Tensor", "torch.nn.Parameter", "torch.nn.parameter.Parameter")
        methods = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
        if any(self.dotted(base) in tensors for base in node.bases) or methods & set(_HOOK_METHODS):
            yield _suspicion(node.lineno, "own class of tensor", f"class {node.name}")


def _called(tree: ast.AST) -> dict[str, int]:
    """The last parts of the names that are called, with the first line of each."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found[last] = min(node.lineno, found.get(last, node.lineno))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            found["matmul"] = min(node.lineno, found.get("matmul", node.lineno))
    return found


def _reference_calls(tree: ast.AST, reference_source: str) -> Iterator[Suspicion]:
    try:
        wanted = _called(tree_of(reference_source))
    except SyntaxError:
        return
    kernels = {id(n) for k in ast.walk(tree) if _is_kernel(k) for n in ast.walk(k)}
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    libraries = _libraries(tree)
    for node in ast.walk(tree):
        if id(node) in kernels or not isinstance(node, ast.Call | ast.BinOp):
            continue
        owner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
        if owner is not None and (_opens_library(owner) or ast.unparse(owner) in libraries):
            continue  # a function of the candidate's own library
        for name, line in _called(ast.Expression(node)).items() if isinstance(node, ast.BinOp) else _one(node):
            if name in wanted and name not in _ORDINARY | own:
                yield _suspicion(line, "reference's operation", name)


def _opens_library(node: ast.AST) -> bool:
    """Whether this is a call that compiles or opens a native library."""
    name = ast.unparse(node.func).rsplit(".", 1)[-1] if isinstance(node, ast.Call) else ""
    return name in ("load", "load_inline", "CDLL", "LoadLibrary", "library", "_library")


def _libraries(tree: ast.AST) -> set[str]:
    """The names, as they are written, that native libraries are kept under."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _opens_library(node.value):
            found |= {ast.unparse(target) for target in node.targets}
    return found


def _one(node: ast.Call) -> list[tuple[str, int]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return [(name, node.lineno)]


def _is_kernel(node: ast.AST) -> bool:
    """Whether this is a function that a GPU compiler translates: its calls are the kernel."""
    return isinstance(node, ast.FunctionDef) and any("jit" in ast.unparse(d) for d in node.decorator_list)
