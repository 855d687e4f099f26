"""In a shell: each line is seen as it comes, and Ctrl-C, head and a full disk end a run."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from helpers import PROGRAM, ROOT

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="no POSIX signals on this system"),
]
ENDLESS = "--num-steps=1000000"


@pytest.fixture
def start():
    """Starts a command in a process group of its own, which is killed when the test ends."""
    processes = []

    def start_process(*command, **options):
        # With an unbuffered stdout, no missing flush would show.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=ROOT,
            env=environment,
            **options,
        )
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # the whole group has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def read_until(process, pattern, seconds=20):
    """What the process has written up to the first match of pattern."""
    fd, seen, end = process.stdout.fileno(), b"", time.monotonic() + seconds
    os.set_blocking(fd, False)
    while not re.search(pattern, seen) and time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(fd, 1 << 16)
            if not chunk:
                break  # the program has ended
            seen += chunk
        time.sleep(0.002)
    if not re.search(pattern, seen):
        process.kill()
        pytest.fail(f"nothing like {pattern} in {seen!r}, and on stderr: {process.stderr.read()!r}")
    return seen


# A stdout that is no terminal has a buffer, so lines are seen only if they are flushed.

# The program, in which one call of a function never ends:
STUCK = """
import itertools, time, microgpt
function, calls = microgpt.{name}, itertools.count(1)
microgpt.{name} = lambda *args: time.sleep(600) if next(calls) == {stuck_in} else function(*args)
microgpt.main()
"""


@pytest.mark.parametrize(
    "name, stuck_in, last_line",
    [
        ("document_loss", 1, rb"num params: \d+\n"),
        ("document_loss", 2, rb"step +1 / +2 \| loss \d\.\d{4}\r"),
        ("sample", 1, rb"names\) ---\n"),
        ("sample", 2, rb"sample  1: .*\n"),
    ],
    ids=["header", "step", "line before the samples", "sample"],
)
def test_each_line_is_seen_as_it_comes(start, docs_txt, name, stuck_in, last_line):
    """A program that is stuck in a step or a sample has shown all that came before."""
    code = STUCK.format(name=name, stuck_in=stuck_in)
    process = start(sys.executable, "-c", code, docs_txt, "--num-steps=2", "--num-samples=2")
    read_until(process, last_line)


# How it ends


def with_default_sigint():
    """Makes a new process obey Ctrl-C. Tests in the background ignore it, and pass that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_a_shells_loop(start, docs_txt):
    """The program dies of the signal and prints nothing. If it exited, bash would go on."""
    loop = f'for s in 1 2 3; do "{sys.executable}" "{PROGRAM}" "{docs_txt}" {ENDLESS}; done'
    process = start("bash", "-c", loop, preexec_fn=with_default_sigint)
    read_until(process, rb"step +5 ")
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    assert process.wait(timeout=20) == -signal.SIGINT
    assert process.stderr.read() == b""


@pytest.mark.skipif(
    sys.implementation.name == "pypy",
    reason="PyPy takes SIGINT over when it starts, so nobody can tell that it was ignored",
)
def test_a_background_job_survives_a_ctrl_c_that_is_not_for_it(start, docs_txt):
    """A job that a script starts with & ignores SIGINT, and goes on."""
    # wait is repeated, since bash ends the first one when it gets the SIGINT itself
    job = f'"{sys.executable}" "{PROGRAM}" "{docs_txt}" {ENDLESS} & wait; wait'
    process = start("bash", "-c", job)
    read_until(process, rb"step +5 ")
    os.killpg(process.pid, signal.SIGINT)
    last = max(map(int, re.findall(rb"step +(\d+)", read_until(process, rb"step +\d+ .*\r"))))
    read_until(process, rb"step +%d " % (last + 20))


def test_head_ends_it_without_a_word(docs_txt):
    """A closed pipe ends it by SIGPIPE, as it ends cat."""
    command = f'set -o pipefail; "{sys.executable}" "{PROGRAM}" "{docs_txt}" {ENDLESS} | head -n 1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + 13, b"num docs: 3\n", b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error(docs_txt):
    """What cannot be written is not passed over in silence."""
    with open("/dev/full", "wb") as full:
        command = [sys.executable, PROGRAM, docs_txt, "--num-steps=2"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode != 0
    assert b"No space left on device" in done.stderr
