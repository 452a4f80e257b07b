"""What a candidate can find in its process: its inputs, its own text, and nothing of how it is judged."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tilewright.candidate import Candidate, CandidateError
from tilewright.child import nursery
from tilewright.child.cross import lend_cache
from tilewright.child.process import Child
from tilewright.child.room import arena_bytes, room_for
from tilewright.child.session import Session
from tilewright.problem import Inputs, Problem, Workload

SECRET = "a-word-that-only-the-parent-knows-4711"


def reference(x: torch.Tensor) -> torch.Tensor:
    return x + 1 if SECRET else x


PROBLEM = Problem(
    name="add",
    reference=reference,
    inputs=lambda w, g: Inputs({"x": torch.randn(64, generator=g)}),
    workloads=(Workload(name="small"),),
    source=f"# {SECRET}",
)
SEED = 918273645546
CALL = PROBLEM.make_inputs(PROBLEM.workloads[0], SEED)
EXPECTED = PROBLEM.run(CALL)
PACKAGE = str(Path(sys.modules["tilewright"].__file__ or "").parents[1])


def started() -> Child:
    return Child(arena_bytes([CALL], EXPECTED), threads=1)


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with started() as one:
        yield one


def said(child: Child, body: str) -> str:
    """What `body`, the body of a function, returns, as text, from inside `child`."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    source = f"import ctypes, gc, os, sys, torch\ndef look():\n{lines}\ndef f(x): raise RuntimeError(str(look()))"
    with Session(child, Candidate(name="c", source=source, entry="f"), PROBLEM, room_for(EXPECTED)) as session:
        with pytest.raises(CandidateError) as failure:
            session.call(CALL)
    return failure.value.detail.removeprefix("RuntimeError: ")


LOOKS = {
    "its environment": "return open('/proc/self/environ').read() + repr(os.environ)",
    "its command line": "return open('/proc/self/cmdline').read() + repr((sys.argv, sys.orig_argv))",
    "frames": (
        "found, frame = '', sys._getframe()\n"
        "while frame:\n"
        "    found += repr({k: repr(v)[:4000] for k, v in frame.f_locals.items()})\n"
        "    frame = frame.f_back\n"
        "return found"
    ),
    "objects": "return [o for o in gc.get_objects() if isinstance(o, (dict, list, tuple)) and len(o) < 50]",
    "the main program": "return vars(sys.modules['__main__'])",
    "its heap": (
        "found = b''\n"
        "for line in open('/proc/self/maps'):\n"
        "    low, high = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "    if line.split()[1] == 'rw-p' and high - low < 1 << 28 and '[v' not in line:\n"
        "        found += ctypes.string_at(low, high - low)\n"
        "return found.decode('latin1')"
    ),
}


@pytest.mark.parametrize("where", LOOKS)
def test_nothing_of_the_judge_is_there(child: Child, where: str) -> None:
    """No reference, seed, judge, nor the folder of the problem. The words are told backwards, so as not to be found."""
    words = [SECRET, str(SEED), "TruthCache", "make_inputs", str(Path(__file__).parent), "PYTEST_CURRENT_TEST"]
    inner = "".join(f"    {line}\n" for line in LOOKS[where].splitlines())
    found = said(
        child,
        f"def seen():\n{inner}\n"
        f"text = str(seen())\n"
        f"return [w for w in {[w[::-1] for w in words]!r} if w[::-1] in text], len(text) > 20",
    )
    assert eval(found) == ([], True)


def test_the_parents_modules_are_not_loaded(child: Child) -> None:
    assert eval(said(child, "return sorted(m for m in sys.modules if m.startswith('tilewright'))")) == [
        *("tilewright", "tilewright.child", "tilewright.child.leftovers", "tilewright.child.program"),
        *("tilewright.child.sandbox", "tilewright.child.values", "tilewright.child.wire", "tilewright.heap"),
        "tilewright.outputs",
    ]


def test_it_holds_what_it_reads_and_prints_its_socket_and_the_arena(child: Child) -> None:
    body = (
        "found = []\n"
        "for n in os.listdir('/proc/self/fd'):\n"
        "    try: found.append(os.readlink(f'/proc/self/fd/{n}').split(':')[0])\n"
        "    except OSError: pass\n"
        "return sorted(found)"
    )
    assert eval(said(child, body)) == ["/dev/null", "/memfd", "pipe", "pipe", "socket"]


def test_the_arena_cannot_be_cut_from_under_the_parent(child: Child) -> None:
    body = (
        "for n in os.listdir('/proc/self/fd'):\n"
        "    if 'memfd' in os.readlink(f'/proc/self/fd/{n}'):\n"
        "        try: os.ftruncate(int(n), 0)\n"
        "        except OSError as error: return 'refused', str(error)\n"
    )
    assert eval(said(child, body))[0] == "refused"


def test_it_sees_no_process_but_those_of_its_own(child: Child) -> None:
    if "namespaces" not in child.sandbox:
        pytest.skip("without namespaces other processes show, and cannot be opened")
    assert len(eval(said(child, "return [n for n in os.listdir('/proc') if n.isdigit()]"))) == 2


def test_a_token_opens_nothing_twice_and_the_first_is_gone(child: Child) -> None:
    body = (
        "frame = sys._getframe()\n"
        "while 'program' not in frame.f_locals: frame = frame.f_back\n"
        "return frame.f_locals['program'].wire.token.hex()"
    )
    assert len({said(child, body) for _ in range(3)}) == 3


def test_what_an_earlier_candidate_had_is_not_in_the_next_child() -> None:
    word = "a-word-of-the-first-candidate"
    with started() as first:
        assert said(first, f"global kept\nkept = {word!r} * 1000\nreturn os.getcwd()") == first.scratch
    body = (
        f"word = ({word[::-1]!r})[::-1].encode()\n"
        "for line in open('/proc/self/maps'):\n"
        "    low, high = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "    if '[heap]' in line and line.split()[1].startswith('rw'):\n"
        "        if (word * 3) in ctypes.string_at(low, high - low): return 'found'\n"
        f"return os.path.exists({first.scratch!r})"
    )
    with started() as second:
        assert said(second, body) == "False"


DISKS = [f"/dev/{n}" for n in ("vda", "sda", "nvme0n1", "mem", "kmsg", "port") if os.path.exists(f"/dev/{n}")]


@pytest.mark.parametrize("path", [*DISKS, "/etc/shadow", "/etc/ssh/sshd_config", "/root/.bashrc"])
def test_what_holds_other_peoples_data_cannot_be_opened(child: Child, path: str) -> None:
    if not os.path.exists(path):
        pytest.skip("this machine has none")
    assert "denied" in said(
        child, f"try: return open({path!r}, 'rb').read(1)\nexcept OSError as e: return 'denied' + str(e)"
    )


def test_nothing_outside_is_imported_in_place_of_what_is_meant(tmp_path: Path) -> None:
    """A folder full of modules with well-known names: where the parent works, its home and PYTHONPATH."""
    user = tmp_path / ".local" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    user.mkdir(parents=True)
    for folder in (tmp_path, user):
        for name in ("torch", "json", "tilewright", "usercustomize", "sitecustomize", "selectors"):
            (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'shadowed')!r}, 'a').write({name!r})\n")
    code = (
        f"import sys\nsys.path[:0] = {sys.path!r}\nfrom tilewright.child.process import Child\n"
        "with Child(1 << 20, threads=1) as child: print(child.sandbox)"
    )
    hostile = {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py")}
    trusted = {"PATH": os.environ["PATH"], "TMPDIR": tempfile.gettempdir(), "TILEWRIGHT_CACHE": str(tmp_path / "c")}
    # The parent itself is started apart from them: whom it imports is its user's to decide.
    code = f"import os\nos.environ.update({hostile!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, env=trusted, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    assert not (tmp_path / "shadowed").exists()


def test_a_candidates_files_do_not_shadow_anything(child: Child) -> None:
    body = (
        "for n in ('json', 'math2', 'colorsys'): open(n + '.py', 'w').write('hit = 1')\n"
        "import colorsys\n"
        "return hasattr(colorsys, 'hit'), os.getcwd() in sys.path, '' in sys.path"
    )
    assert eval(said(child, body)) == (False, False, False)


def test_a_cache_is_lent_without_following_links(tmp_path: Path) -> None:
    kept, scratch, outside = tmp_path / "kept", tmp_path / "scratch", tmp_path / "outside"
    for folder in (kept / "k1", kept / "k2", scratch / "triton", outside):
        folder.mkdir(parents=True)
    (outside / "secret").write_text("secret")
    (kept / "k1" / "kernel.cubin").write_bytes(b"\x00\xff")
    (kept / "k1" / "__grp__kernel.json").write_text(f'{{"a": "{kept}/k1/kernel.cubin"}}')
    (kept / "k1" / "stolen").symlink_to(outside / "secret")
    os.mkfifo(kept / "k1" / "pipe")
    (kept / "k2" / "more").write_text("more")
    (scratch / "triton" / "k2").symlink_to(outside)
    (scratch / "triton" / "k1").mkdir()
    (scratch / "triton" / "k1" / "kernel.cubin").symlink_to(outside / "overwritten")
    lend_cache(str(kept), str(scratch))
    assert (scratch / "triton" / "k1" / "kernel.cubin").read_bytes() == b"\x00\xff"
    assert sorted(p.name for p in outside.iterdir()) == ["secret"]
    assert not (scratch / "triton" / "k1" / "stolen").exists() and not (scratch / "triton" / "k1" / "pipe").exists()
    assert f"{scratch}/triton/k1/kernel.cubin" in (scratch / "triton" / "k1" / "__grp__kernel.json").read_text()
    lend_cache(str(kept), str(tmp_path / "scratch2"))
    assert (tmp_path / "scratch2" / "triton" / "k2" / "more").read_text() == "more"


# Other users, and kernels that grant less.


def as_nobody(code: str, folder: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}
    return subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=folder, env=environment, user=65534, group=65534, extra_groups=[],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def folder_of_nobody() -> Iterator[str]:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        try:
            readable = not as_nobody("import tilewright.child.sandbox", folder).returncode
        except PermissionError:
            readable = False
        if not readable:
            pytest.skip("an ordinary user cannot read this installation")
        yield folder


AS_NOBODY = f"""
import os, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_faults import CLOSED_FOLDER, GOOD, exercise, fate, started, TOO_MUCH
with started() as child:
    print(child.sandbox)
    exercise(child, CLOSED_FOLDER + GOOD)
print(fate(TOO_MUCH["programs"][0]).status)
from tilewright.child.compiler import compile_walled
compile_walled("int x;", {{}})
print(sorted(n for n in os.listdir(tempfile.gettempdir()) if n.startswith("tilewright-child")))
"""


def test_the_wall_is_as_high_for_an_ordinary_user(folder_of_nobody: str) -> None:
    done = as_nobody(AS_NOBODY, folder_of_nobody)
    assert done.returncode == 0, done.stderr
    level, status, left = done.stdout.splitlines()
    assert level == "namespaces+landlock+seccomp" and status in ("RUNTIME_ERROR", "RESOURCE") and left == "[]"


def refuse(*numbers: int) -> None:
    """Make this process, and all that it starts, live in a kernel without some system calls."""
    jumps = [struct.pack("=HBBI", 0x20, 0, 0, 0)]
    for number in numbers:
        jumps += [struct.pack("=HBBI", 0x15, 0, 1, number), struct.pack("=HBBI", 0x06, 0, 0, 0x00050000 | 38)]
    jumps.append(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(jumps))
    filter_ = struct.pack("HxxxxxxQ", len(jumps), ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, ctypes.c_ulong(2), filter_, 0, 0) == 0


UNSHARE, LANDLOCK = 272, 444
CHECK = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_reach import refuse
refuse(*{{numbers}})
from tilewright.cli import main
main()
"""
PAIR = """
import torch
class Model{}(torch.nn.Module):
    def forward(self, x): return x + 1
def get_inputs(): return [torch.randn(64, 64)]
def get_init_inputs(): return []
"""


@pytest.mark.parametrize(
    ("numbers", "more", "code", "level"),
    [
        ((UNSHARE,), [], 0, "landlock+seccomp"),
        ((LANDLOCK,), [], 3, ""),
        ((UNSHARE, LANDLOCK), ["--allow-weak-sandbox"], 0, "seccomp"),
    ],
)
def test_a_kernel_that_grants_less_is_told_of(
    tmp_path: Path, numbers: tuple[int, ...], more: list[str], code: int, level: str
) -> None:
    (tmp_path / "p.py").write_text(PAIR.format(""))
    (tmp_path / "c.py").write_text(PAIR.format("New"))
    arguments = ["check", str(tmp_path / "c.py"), "--problem", str(tmp_path / "p.py"), "--tier", "certify", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", CHECK.format(numbers=numbers), *arguments, "--device", "cpu", *more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr + done.stdout
    if code:
        assert "--allow-weak-sandbox" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    else:
        assert f'"{level}"' in done.stdout


BEHIND_A_WALL_FOR_CUDA = """
import os, sys
from tilewright.child.sandbox import Wall, enter
print(enter(Wall((), ("/usr", "/lib", "/lib64", sys.prefix), cuda=True), "files"))
for name in ("/dev/null", "/dev/random", "/dev/shm/{name}", "/dev/core"):
    try:
        os.close(os.open(name, os.O_RDONLY))
        print("open")
    except OSError as error:
        print(error.strerror)
"""


def test_the_wall_for_cuda_has_its_devices_and_nobodys_memory() -> None:
    shared = Path("/dev/shm") / f"tilewright-test-{os.getpid()}"
    shared.write_text("of others")
    try:
        done = subprocess.run(  # stderr is a pipe here, to which a link in /dev leads
            [sys.executable, "-c", BEHIND_A_WALL_FOR_CUDA.replace("{name}", shared.name)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        shared.unlink()
    level, null, random, of_others, kernel = done.stdout.splitlines() or [done.stderr] * 5
    assert "landlock" in level and null == random == "open"
    assert of_others == "Permission denied" and kernel in ("Permission denied", "No such file or directory")


def test_a_nursery_ends_when_asked() -> None:
    nursery.start().close()
    nursery.start(nursery.COMPILERS).close()
    with started() as child:
        assert child.sandbox
