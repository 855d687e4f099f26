"""The order of the tests, and what surrounds each of them."""

import gc
import os
import sys

import hypothesis
import pytest

hypothesis.settings.register_profile("suite", derandomize="CI" in os.environ, deadline=None)
hypothesis.settings.load_profile("suite")

# From the smallest part to the whole program, so that a mistake fails first where it is.
ORDER = [
    "test_gradients",
    "test_value",
    "test_text_and_tokens",
    "test_draws",
    "test_model",
    "test_training",
    "test_sampling",
    "test_command",
    "test_shell",
    "test_reference",
    "test_readme",
]


def pytest_collection_modifyitems(items):
    """Sorts the tests by file. Those of whole models and runs come after those of the parts."""

    def rank(item):
        name = item.path.stem
        place = ORDER.index(name) if name in ORDER else len(ORDER)
        marks = [item.get_closest_marker(mark) is not None for mark in ("slow", "whole")]
        return (*marks, place)

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def ordinary_environment(monkeypatch):
    """What the user has set for Python does not reach the processes that a test starts.

    With an unbuffered stdout, for example, no missing flush would show."""
    for name in ("DEVMODE", "IOENCODING", "UNBUFFERED", "UTF8", "WARNINGS"):
        monkeypatch.delenv(f"PYTHON{name}", raising=False)


@pytest.fixture(autouse=True)
def collector_as_in_the_command():
    """CPython's cyclic collector is off while a test runs, as in main()."""
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
