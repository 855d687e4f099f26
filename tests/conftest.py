"""Fixtures, and the order of the tests: those marked slow, whole runs and documents, come last."""

import contextlib
import gc
import os
import signal
import subprocess
import sys

import pytest

try:
    import hypothesis
except ImportError:
    pass  # the files that need it are skipped, and say so
else:
    hypothesis.settings.register_profile("suite", derandomize="CI" in os.environ, deadline=None)
    hypothesis.settings.load_profile("suite")

pytest.register_assert_rewrite("helpers")  # its assertions show their numbers as well

# Whoever runs the tests may have set these. With an unbuffered stdout no missing flush would show.
VARIABLES_OF_PYTHON = [
    "PYTHONDEVMODE",
    "PYTHONIOENCODING",
    "PYTHONUNBUFFERED",
    "PYTHONUTF8",
    "PYTHONWARNINGS",
]


def pytest_collection_modifyitems(items):
    """A mistake fails first where its subject is, and then in the runs that it spoils."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(autouse=True)
def ordinary_environment(monkeypatch):
    """No variable of Python's own reaches the processes that a test starts."""
    for name in VARIABLES_OF_PYTHON:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def collector_as_in_the_command():
    """CPython's cyclic collector is off while a test runs: it takes a fifth of the time."""
    if sys.implementation.name == "cpython":
        gc.disable()
    yield
    gc.enable()


@pytest.fixture
def docs_txt(tmp_path):
    """The path of a file with three documents."""
    path = tmp_path / "docs.txt"
    path.write_bytes(b"anna\nbob\ncleo\n")
    return path


@pytest.fixture
def start_process():
    """subprocess.Popen in a process group of its own, which is killed when the test ends."""
    started = []

    def start(command, **options):
        process = subprocess.Popen(command, start_new_session=True, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):  # the whole group has ended
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
