"""The built wheel, installed outside the source tree, works: settings, templates, schemas and py.typed are inside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("tilewright-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment that has the wheel, and sees this environment's packages but not its tilewright."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip()
    )
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet", wheel, cwd=folder)
    # A .pth file puts this environment's packages behind the new one's; the editable install's own hook is not run.
    (packages / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_data_files_are_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    source = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src" / "tilewright").rglob("*") if p.is_file()}
    expected = {n for n in source if not re.search(r"__pycache__|/\.|\.pyc$|\.so$", n)}
    assert not expected - set(names)
    for kind in ("py.typed", "schemas/Record.json", ".j2", "ops/", "peaks.json"):
        assert any(kind in n for n in names), kind
    assert any("licenses/LICENSE" in n for n in names)


def test_the_command_works_outside_the_source_tree(installed: Path) -> None:
    where = run(installed / "bin" / "python", "-c", "import tilewright; print(tilewright.__file__)", cwd=installed)
    assert str(installed) in where.stdout
    done = run(installed / "bin" / "tilewright", "ops", "--json", cwd=installed)
    names = [o["name"] for o in json.loads(done.stdout)["operators"]]
    assert {"rms_norm", "softmax", "gemm"} <= set(names)


def test_settings_templates_and_schemas_are_found_there(installed: Path) -> None:
    program = (
        "import tilewright.schemas as s, tilewright.report as r; "
        "assert {p.stem for p in s.FOLDER.glob('*.json')} == set(s.nouns()); "
        "print(len(r.render(r.RunView(title='t', status='PASSED', workloads=()))))"
    )
    done = run(installed / "bin" / "python", "-c", program, cwd=installed)
    assert int(done.stdout) > 1000


def test_a_kernel_is_checked_there(installed: Path, problem_file: str, right_file: str) -> None:
    command = (
        installed / "bin" / "tilewright",
        "check",
        right_file,
        "--problem",
        problem_file,
        "--tier",
        "screen",
        "--json",
    )
    done = run(*command, cwd=installed)
    assert json.loads(done.stdout)["status"] == "PASSED"
