"""The small program inside a child: goes behind the wall, loads a candidate, calls it, stamps the time.

Its settings come first over the socket.
Its arena is shared memory of the machine, or of the one GPU that it sees.
It holds nothing worth stealing: no reference, no truth, no tolerance, no seed. Whatever it reports is checked by the
parent against bytes that the parent reads itself.
"""

from __future__ import annotations

import gc
import importlib.util
import mmap
import os
import socket
import sys
import time
import traceback
from typing import Any

from tilewright.child.sandbox import Wall, enter, limit_memory
from tilewright.child.values import restored
from tilewright.child.wire import Answerer, WireError
from tilewright.heap import keep_freed_memory
from tilewright.outputs import outputs_by_name


class Program:
    """State of one child: the arena, the loaded entry, and the outputs of the last call."""

    def __init__(self, wire: Answerer, raw: Any, scratch: str):
        import torch

        self.torch = torch
        # Methods as torch has them, in a type that nobody can change, and beside all modes that a candidate may push.
        self.base: Any = torch._C.TensorBase
        self.unheard = torch._C.DisableTorchFunction, torch._C._DisableTorchDispatch
        self.wire = wire
        self.raw = raw  # the whole arena as a uint8 tensor
        self.scratch = scratch
        self.entry: Any = None
        self.kind = "function"
        self.names: list[str] = []  # of the outputs
        self.module_source: Any = None
        self.instance: Any = None
        self.instances: dict[int, Any] = {}  # by what they were made of: the first and the latest
        self.outputs: tuple[Any, ...] = ()
        self.held: tuple[Any, ...] = ()
        self.early: list[tuple[Any, ...]] = []  # the outputs of the first calls of all
        self.loaded = 0
        self.base_address = raw.data_ptr() if raw is not None else 0
        self.device = raw.device.type if raw is not None else "cpu"
        self.replay: Any = None  # the timed block on a GPU, which can be run again

    # What the parent may ask for. Each returns the fields of the answer.

    def load(self, message: dict[str, Any]) -> dict[str, Any]:
        self.outputs, self.held, self.early = (), (), []
        self.instance, self.instances, self.entry = None, {}, None
        self.replay = None
        os.chdir(self.scratch)  # wherever the one before went
        sys.modules.pop(f"candidate_{self.loaded}", None)
        if os.environ.get("TRITON_INTERPRET") == "1":
            from tilewright.build.interpreter import correct_interpreter

            correct_interpreter()
        self.loaded += 1
        name = f"candidate_{self.loaded}"
        path = os.path.join(self.scratch, f"{name}.py")
        with open(path, "w") as file:
            file.write(message["source"])
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        entry = getattr(module, message["entry"], None)
        if not callable(entry):
            raise LoadError(f"the file defines no {message['entry']}")
        self.entry, self.kind, self.module_source = entry, message["kind"], module
        self.names = message["outputs"]
        return {}

    def call(self, message: dict[str, Any]) -> dict[str, Any]:
        torch = self.torch
        self.replay, self.held = None, self.outputs
        args, function = self.prepare(message["inputs"])
        grads = message["grads"]
        leaves = self.track(message["inputs"], args, grads) if grads else {}
        with self.poisoned(message["poison"]), torch.set_grad_enabled(bool(grads)):
            result = function(*args)
            outputs = self.as_tuple(result)
            if grads:
                self.call_in_between(function, args)
                own_backward = has_own_backward([t.grad_fn for t in outputs if self.is_tensor(t)])
                self.backward(outputs, [self.tensor(d) for d in message["grad_outputs"]])
        answer = self.described(outputs, message["inputs"], message["regions"])
        if grads:
            found = [leaves[name].grad for name in grads]
            answer["own_backward"] = own_backward
            answer["grad_metas"] = [self.meta(i, g, {}, ()) for i, g in enumerate(found)]
            self.copy_out(tuple(found), message["grad_regions"])
        self.outputs = tuple(t.detach() if self.is_tensor(t) else t for t in outputs)
        if len(self.early) < message["early"]:
            self.early.append(self.outputs)
        return answer

    def previous(self, message: dict[str, Any]) -> dict[str, Any]:
        """Copy out the outputs of the call before, or of an early one, to see whether a later call changed them."""
        outputs = self.held if message["early"] is None else self.early[message["early"]]
        return {"written": self.copy_out(outputs, message["regions"])}

    def begin(self) -> dict[str, Any]:
        """Say that everything is prepared, and wait for the word to go; the parent's clock runs from there."""
        self.wire.send({"prepared": True})
        message = self.wire.receive()
        if message["op"] != "go":
            raise WireError("the parent asks for something else")
        return message

    def idle(self, message: dict[str, Any]) -> dict[str, Any]:
        """A timed block of no calls, which takes `busy_ns`, and hands over so many small `results` of one region. On a
        GPU it begins with an event, and ends when that has passed."""
        results = [self.torch.empty(1) for _ in range(message["results"])]
        if self.device == "cuda":
            mark = self.torch.cuda.Event()
            mark.record()
            self.torch.cuda.synchronize()
        go = self.begin()
        if self.device == "cuda":
            mark.record()
            self.torch.cuda.synchronize()
        taken = [0] * (len(bytes.fromhex(go["schedule"])) + 1)
        end = time.perf_counter_ns() + go["busy_ns"]
        while time.perf_counter_ns() < end:
            pass
        self.hand_over(results, [message["regions"]] * len(results))
        self.wire.send({"ended": time.perf_counter_ns(), "done": len(taken) - 1})
        return {}

    def time(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run `warm` calls, and on the word one per byte of the schedule that comes with it, stamping the border
        between calls. The interval of a call includes dropping the result of the one before, as in any real program.
        The last result is copied out only after the end has been told. With `each`, regions for every call, all results
        are kept and copied out, which is told as well."""
        if self.device == "cuda":
            return self.time_on_gpu(message)
        now = time.perf_counter_ns
        prepared = [self.prepare(inputs) for inputs in message["slots"]]
        function = prepared[0][1]
        self.outputs = self.held = ()
        with self.torch.no_grad():
            gc.collect()
            gc.disable()
            args_of = [args for args, _ in prepared]
            kept: list[Any] | None = [] if message["each"] else None
            out: Any = None
            for i in range(message["warm"]):
                out = function(*prepared[i % len(prepared)][0])
                if kept is not None:
                    kept.append(out)  # there is memory for all of them from here on
            if kept is not None:
                self.hand_over(kept, message["each"])  # so is it where they go
                kept.clear()
            go = self.begin()
            schedule, stop_after_ns = bytes.fromhex(go["schedule"]), go["stop_after_ns"]
            taken = [0] * (len(schedule) + 1)
            done = 0
            taken[0] = start = now()
            for slot in schedule:
                out = function(*args_of[slot])
                done += 1
                taken[done] = stamp = now()
                if kept is not None:
                    kept.append(out)
                if stamp - start > stop_after_ns:
                    break
            self.wire.send({"ended": now(), "done": done})
            gc.enable()
        stamps = self.raw[message["stamps"] : message["stamps"] + 8 * len(taken)].view(self.torch.int64)
        stamps[:] = self.torch.tensor(taken)
        if kept is not None:
            slots = [message["slots"][slot] for slot in schedule]
            return {"each": self.results_of_each(kept, slots, message["each"]), "done": done}
        return self.result(out, message["slots"][schedule[done - 1]], message["regions"]) | {"done": done}

    def results_of_each(
        self, kept: list[Any], inputs: list[dict[str, Any]], each: list[list[list[int]]]
    ) -> list[dict[str, Any]]:
        """Copy the results of all calls out, say so, and only then describe them, which takes longer."""
        written = self.hand_over(kept, each)
        self.wire.send({"handed": len(written)})
        found = []
        for out, slot, sizes in zip(kept, inputs, written, strict=False):
            outputs = self.as_tuple(out)
            metas = [self.meta(i, t, slot, outputs) for i, t in enumerate(outputs)]
            found.append({"metas": metas, "written": sizes})
        return found

    def hand_over(self, results: list[Any], each: list[list[list[int]]]) -> list[list[int]]:
        pairs = zip(results, each, strict=False)
        return [self.copy_out(self.as_tuple(out), regions) for out, regions in pairs]

    def result(self, out: Any, inputs: dict[str, Any], regions: list[list[int]]) -> dict[str, Any]:
        """Describe a result of a call on `inputs` and copy it out."""
        return self.described(self.as_tuple(out), inputs, regions)

    def described(self, outputs: tuple[Any, ...], inputs: dict[str, Any], regions: list[list[int]]) -> dict[str, Any]:
        written = self.copy_out(outputs, regions)  # before anything else is done with them
        return {"metas": [self.meta(i, t, inputs, outputs) for i, t in enumerate(outputs)], "written": written}

    def time_on_gpu(self, message: dict[str, Any]) -> dict[str, Any]:
        """Capture a call per entry of `schedule` in a CUDA graph and replay it; see child.replay."""
        from tilewright.child.replay import Replay

        self.replay, self.outputs, self.held = None, (), ()
        prepared = [self.prepare(inputs) for inputs in message["slots"]]
        function = prepared[0][1]
        calls = [prepared[i][0] for i in message["schedule"]]
        with self.torch.no_grad():
            gc.collect()
            gc.disable()
            self.replay = Replay(function, calls, message["warm"], message["keep"])
        return self.replayed(message["slots"][message["schedule"][-1]], message["regions"])

    def rerun(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run the block that was timed last again, on the word, `replays` times; with `eager`, as bursts of plain
        calls."""
        with self.torch.no_grad():
            self.replay.get_ready(message["replays"], message["eager"])
        return self.replayed(message["inputs"], message["regions"], message["eager"])

    def replayed(self, last: dict[str, Any], regions: list[list[int]], eager: bool = False) -> dict[str, Any]:
        """Run the prepared block on the word, and say what its last call, on the inputs `last`, came to."""
        with self.torch.no_grad():
            gc.disable()
            replays = self.begin()["replays"]
            self.replay.run(replays, eager)
            self.wire.send({"ended": time.perf_counter_ns(), "done": replays})
            gc.enable()
        samples_s = self.replay.samples_s()
        return {
            **self.result(self.replay.last, last, regions),
            "done": len(samples_s),
            "samples_s": samples_s,
            "mode": self.replay.mode,
            "why": self.replay.why,
            "host_s": self.replay.host_s,
        }

    def again(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run the block that was timed last again, as it is, on what its inputs hold now."""
        with self.torch.no_grad():
            self.replay.run(message["replays"])
        sample_s = min(self.replay.samples_s())
        return {**self.result(self.replay.last, message["inputs"], message["regions"]), "sample_s": sample_s}

    def kernels(self, message: dict[str, Any]) -> dict[str, Any]:
        """The kernels that the block that was timed last starts, as CUPTI saw them: name, stream, start, seconds."""
        with self.torch.no_grad():
            return {"kernels": self.replay.kernels()}

    def proof(self, message: dict[str, Any]) -> dict[str, Any]:
        """What a baseline says of itself: the result of its `proof()`, for example that it did compile."""
        proof = getattr(self.module_source, "proof", None)
        return {"proof": proof() if callable(proof) else None}

    # Between the wire and the candidate.

    def prepare(self, inputs: dict[str, Any]) -> tuple[list[Any], Any]:
        args = [self.value(d) for d in inputs["args"].values()]
        if self.kind == "function":
            return args, self.entry
        key = inputs["made_of"]
        if key not in self.instances:
            for other in list(self.instances)[1:]:
                del self.instances[other]
            self.instances[key] = self.build_module(inputs)
        self.instance = self.instances[key]  # as it was left: what it keeps between calls shows
        return args, self.instance

    def build_module(self, inputs: dict[str, Any]) -> Any:
        torch = self.torch
        torch.manual_seed(0)
        module = self.entry(*[self.value(d) for d in inputs["init"]])
        state = {name: self.value(d) for name, d in inputs["state"].items()}
        floating = {t.dtype for t in state.values() if t.is_floating_point()}
        args = [t for t in map(self.value, inputs["args"].values()) if self.is_tensor(t)]
        floating |= {t.dtype for t in args if t.is_floating_point()}
        if isinstance(module, torch.nn.Module):
            module = module.to(self.device)
            module = module.to(floating.pop()) if len(floating) == 1 else module
        if state:
            load_state(module, state)
        return module

    def track(self, inputs: dict[str, Any], args: list[Any], grads: list[str]) -> dict[str, Any]:
        """Make the named arguments or parameters leaves that collect a gradient."""
        leaves = {}
        names = list(inputs["args"])
        for name in grads:
            if name in names:
                leaf = args[names.index(name)].detach().requires_grad_()
                args[names.index(name)] = leaf
            else:
                leaf = dict(self.instance.named_parameters())[name]
                leaf.grad = None
            leaves[name] = leaf
        return leaves

    def call_in_between(self, function: Any, args: list[Any]) -> None:
        """Call once more, on reversed tensors, before the backward pass: what the first call has saved must be its
        own, and last."""
        tracked = [self.is_tensor(a) and a.requires_grad for a in args]
        others = [
            a.detach().flip(*range(a.ndim)).requires_grad_() if t else a for a, t in zip(args, tracked, strict=True)
        ]
        function(*others)

    def backward(self, outputs: tuple[Any, ...], grad_outputs: list[Any]) -> None:
        pairs = [(o, g) for o, g in zip(outputs, grad_outputs, strict=True) if o.is_floating_point()]
        self.torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])

    def poisoned(self, wanted: bool) -> Any:
        """Fill fresh memory with NaN during a call, so that an output that is never written shows."""
        import contextlib

        torch = self.torch

        @contextlib.contextmanager
        def fill() -> Any:
            # What torch.use_deterministic_algorithms does, without the import of torch's compiler, which takes seconds.
            torch._C._set_deterministic_algorithms(True, warn_only=True)
            torch.utils.deterministic.fill_uninitialized_memory = True
            try:
                yield
            finally:
                torch._C._set_deterministic_algorithms(False)

        return fill() if wanted else contextlib.nullcontext()

    def as_tuple(self, result: Any) -> tuple[Any, ...]:
        """The outputs of a call, in the order of the reference's where their names are the same."""
        if not isinstance(result, dict | tuple | list):
            return (result,)
        if type(result) is tuple and all(map(self.is_tensor, result)):
            return result
        found = outputs_by_name(result)
        return tuple(found[name] for name in (self.names if set(self.names) == set(found) else found))

    def is_tensor(self, value: Any) -> bool:
        return isinstance(value, self.torch.Tensor)

    def value(self, description: dict[str, Any]) -> Any:
        return restored(description, self.tensor)

    def tensor(self, description: list[Any]) -> Any:
        offset, span, dtype_name, shape, stride = description
        dtype = getattr(self.torch, dtype_name)
        if span == 0:
            return self.torch.empty_strided(shape, stride, dtype=dtype, device=self.device)
        return self.raw[offset : offset + span].view(dtype).as_strided(shape, stride)

    def copy_out(self, outputs: tuple[Any, ...], regions: list[list[int]]) -> list[int]:
        """Copy each tensor's elements, packed, into its region; -1 for what is no tensor or does not fit."""
        function, dispatch = self.unheard
        with function(), dispatch():  # a result that is only made when somebody looks at it, nobody has looked at
            pairs = zip(outputs, regions, strict=False)
            written = [self.copy_one(value, *region) if self.is_tensor(value) else -1 for value, region in pairs]
        if self.device == "cuda":
            self.torch.cuda.synchronize()  # the parent reads it next; and what went wrong on the GPU shows here
        return written

    def copy_one(self, value: Any, offset: int, capacity: int) -> int:
        base = self.base
        if base.is_sparse.__get__(value) or base.is_meta.__get__(value):
            return -1
        size: int = base.numel(value) * base.element_size(value)
        if size > capacity or base.device.__get__(value).type != self.device:
            return -1
        if size:
            part = base.view(base.__getitem__(self.raw, slice(offset, offset + size)), base.dtype.__get__(value))
            for step in (base.detach, base.resolve_conj, base.resolve_neg):
                value = step(value)
            base.copy_(base.view(part, base.shape.__get__(value)), value)
        return size

    def meta(self, index: int, value: Any, inputs: dict[str, Any], outputs: tuple[Any, ...]) -> dict[str, Any]:
        torch = self.torch
        if not self.is_tensor(value):
            return {"is_tensor": False, "shape": [], "dtype": "", "stride": [], "device": "", "aliases": [],
                    "aliases_outputs": [], "kind": type(value).__name__}  # fmt: skip
        aliases, place = self.place_of(value, inputs)
        twins = [
            i for i, o in enumerate(outputs)
            if place is not None and i != index and self.is_tensor(o) and self.place_of(o, inputs)[1] == place
        ]  # fmt: skip
        return {
            "is_tensor": type(value) in (torch.Tensor, torch.nn.Parameter),
            "shape": list(value.shape),
            "dtype": str(value.dtype).removeprefix("torch."),
            "stride": list(value.stride()) if value.layout == torch.strided else [],
            "device": value.device.type,
            "aliases": aliases,
            "aliases_outputs": twins,
            "kind": type(value).__name__,
        }

    def place_of(self, value: Any, inputs: dict[str, Any]) -> tuple[list[str], Any]:
        """The inputs that `value` lies in, and what tells its memory from that of others, if it has any."""
        if value.device.type != self.device or value.layout != self.torch.strided or not value.numel():
            return [], None
        offset = value.data_ptr() - self.base_address
        if not 0 <= offset < self.raw.numel():
            return [], value.untyped_storage().data_ptr()
        aliases = [path for path, d in flat_tensors(inputs) if d[0] <= offset < d[0] + max(d[1], 1)]
        return aliases, tuple(aliases)  # all inputs lie in one storage


class LoadError(Exception):
    """The candidate file loaded but does not define what it must."""


def has_own_backward(graph: list[Any]) -> bool:
    """Whether a backward pass that is not torch's own is among the nodes of an autograd graph, or behind them."""
    waiting, seen = list(graph), set(graph)
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        if isinstance(node, sys.modules["torch"].autograd.function.BackwardCFunction) or "CppNode" in node.name():
            return True
        following = {other for other, _ in node.next_functions} - seen
        waiting += following
        seen |= following
    return False


def flat_tensors(inputs: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    return [(f"args.{name}", d["tensor"]) for name, d in inputs.get("args", {}).items() if "tensor" in d]


def load_state(module: Any, state: dict[str, Any]) -> None:
    """Give the module the parent's weights: by name, or in order where names differ and shapes agree."""
    own = module.state_dict()
    if set(own) != set(state):
        same_shapes = [tuple(t.shape) for t in own.values()] == [tuple(t.shape) for t in state.values()]
        if not same_shapes:
            raise LoadError(
                f"its parameters {sorted(own)} do not match the problem's {sorted(state)} in name or in shape"
            )
        state = dict(zip(own, state.values(), strict=True))
    module.load_state_dict(state)


def describe(error: BaseException, phase: str) -> dict[str, Any]:
    """What went wrong, in one line and with the tail of the traceback."""
    text = "".join(traceback.format_exception(error))[-8000:]
    first = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {first[0] if first else ''}"[:500]
    if isinstance(error, SystemExit):
        message = f"called sys.exit({error.code!r})"
    return {"phase": phase, "type": type(error).__name__, "message": message, "traceback": text}


def serve(program: Program) -> None:
    handlers = {
        name: getattr(program, name)
        for name in ("load", "call", "idle", "time", "rerun", "again", "kernels", "proof", "previous")
    }
    while True:
        try:
            message = program.wire.receive()
        except WireError:
            return
        if message["op"] == "exit":
            return
        try:
            answer = {"ok": handlers[message["op"]](message)}
        except WireError:
            return
        except BaseException as error:  # noqa: BLE001 (a candidate may raise anything; all of it is its verdict)
            answer = {"error": describe(error, message["op"])}
            gc.enable()  # the clock may have been running
        program.wire.send(answer)


def open_arena(fd: int, bytes_: int, cuda: bool) -> Any:
    """The parent's memory as a uint8 tensor; None without any."""
    import torch

    if not bytes_:
        return None
    if cuda:
        from tilewright.child.device_memory import DeviceMemory

        return DeviceMemory.open(0, fd, bytes_).tensor()
    raw = torch.frombuffer(mmap.mmap(fd, 0), dtype=torch.uint8)
    os.close(fd)
    return raw


def import_torch() -> Any:
    gc.disable()  # a fifth of the time of the import, which makes no garbage
    import torch

    gc.enable()
    return torch


def run(socket_fd: int, arena_fd: int) -> None:
    """Be the child on the other end of `socket_fd`, until it says exit."""
    sock = socket.socket(fileno=socket_fd)
    wire = Answerer(sock)
    settings = wire.receive(30)
    wall, cuda = settings["wall"], settings["cuda"]
    wall = Wall(tuple(wall["writable"]), tuple(wall["readable"]), cuda=cuda, private=wall["private"])
    level = enter(wall, settings["sandbox"])
    keep_freed_memory()
    torch = import_torch()
    torch.set_num_threads(settings["threads"])
    raw = open_arena(arena_fd, settings["arena_bytes"], cuda)
    program = Program(wire, raw, settings["scratch"])
    limit_memory(settings["memory_bytes"], cuda=cuda)
    wire.send({"ready": level, "torch": torch.__version__})
    serve(program)
    os._exit(0)  # a candidate's threads and atexit hooks have no say in how a child ends


if __name__ == "__main__":
    arguments = [int(a) for a in sys.argv[1:]]
    sys.argv = [""]
    run(*arguments)
