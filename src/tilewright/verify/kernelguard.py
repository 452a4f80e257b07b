"""What the rules of KernelGuard say of a candidate's text, where the package is installed. Triage, as static_screen.

They come from submissions that were found to cheat in competitions, and are regular expressions over a text that a
candidate's author chose: they run in a process of their own, for a bounded time.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

from .static_screen import Suspicion

_PACKAGE = "kernelguard"
_PATIENCE_S = 20.0
_MOST = 20
_RULES = (
    "import json, sys, kernelguard\n"
    "found = kernelguard.analyze_code(sys.stdin.read(), compute_structural_hash=False)['matched_patterns']\n"
    "json.dump([[str(p.get('pattern')), str(p.get('severity')), str(p.get('evidence'))] for p in found], sys.stdout)\n"
)


def is_installed() -> bool:
    return importlib.util.find_spec(_PACKAGE) is not None


def kernelguard(source: str) -> tuple[Suspicion, ...]:
    """Return the patterns that KernelGuard finds in a candidate's text; none without the package. That it failed, or
    took too long, is a suspicion too: it says what was not looked at."""
    if not is_installed():
        return ()
    command = [sys.executable, "-I", "-c", _RULES]
    try:
        ended = subprocess.run(command, input=source, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
        found = json.loads(ended.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        kind = type(error).__name__
        return (Suspicion(line=0, rule=_PACKAGE, reason=f"its rules gave no answer on this text: {kind}"),)
    unique = {(rule, evidence): severity for rule, severity, evidence in found}
    return tuple(
        Suspicion(line=0, rule=f"{_PACKAGE} {rule}", reason=f"{severity} in KernelGuard's words", text=evidence[:120])
        for (rule, evidence), severity in list(unique.items())[:_MOST]
    )
