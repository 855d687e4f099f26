"""What several test modules need: where things are, and the program as a user starts it."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "microgpt.py"


@pytest.fixture(autouse=True)
def ordinary_environment(monkeypatch):
    """Whoever runs the tests may have set these; with an unbuffered stdout, no missing flush would ever show."""
    for name in ("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONWARNINGS", "PYTHONDEVMODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def command():
    """Run `python microgpt.py *arguments` in a process of its own; its stdout and stderr come back as bytes."""

    def run(*arguments, cwd=ROOT, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60, **options}
        return subprocess.run([sys.executable, str(PROGRAM), *map(str, arguments)], cwd=cwd, **options)

    return run


@pytest.fixture(scope="session")
def names_txt():
    """The path of makemore's names.txt, which is not the project's to ship."""
    path = os.environ.get("MICROGPT_NAMES")
    if not path:
        pytest.skip("MICROGPT_NAMES does not name a copy of makemore's names.txt")
    return pathlib.Path(path)
