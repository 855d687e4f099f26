"""The order of the tests, and their fixtures."""

import gc
import sys

import hypothesis
import pytest

# The same examples in every run, as far as the version of Hypothesis is the same.
hypothesis.settings.register_profile(
    "suite", derandomize=True, deadline=None, report_multiple_bugs=False
)
hypothesis.settings.load_profile("suite")

# From the smallest part to the whole program, so that a mistake fails first where it is.
ORDER = [
    "test_gradients",
    "test_value",
    "test_settings",
    "test_text_and_tokens",
    "test_random_compat",
    "test_model",
    "test_training",
    "test_sampling",
    "test_run",
    "test_command",
    "test_shell",
    "test_reference",
    "test_readme",
]


def pytest_collection_modifyitems(items):
    """Sorts the tests: parts, then `whole`, then `slow`, and each of these by file."""

    def rank(item):
        if item.path.stem not in ORDER:
            raise pytest.UsageError(f"{item.path.name} has no place in ORDER, in conftest.py")
        marks = [item.get_closest_marker(mark) is not None for mark in ("slow", "whole")]
        return (*marks, ORDER.index(item.path.stem))

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def collector_off():
    """CPython's cyclic collector is off during a test, as in the command.

    So whole runs are faster, and the tests of memory see what is freed without it."""
    if sys.implementation.name == "cpython":
        gc.disable()
    yield
    gc.enable()


@pytest.fixture
def freed_at_once():
    """Skips a test of memory where objects live on after their last reference."""
    if sys.implementation.name != "cpython":
        pytest.skip("only CPython frees an object with its last reference")


@pytest.fixture
def docs_txt(tmp_path):
    """The path of a file with three documents."""
    path = tmp_path / "docs.txt"
    path.write_bytes(b"anna\nbob\ncleo\n")
    return path
