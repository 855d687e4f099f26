"""In a shell: Ctrl-C, pipes, a terminal, and what is seen while the program runs."""

import array
import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from helpers import PROGRAM, ROOT, run_program

fcntl = pytest.importorskip("fcntl", reason="this system has no POSIX pipes")
termios = pytest.importorskip("termios", reason="this system has no POSIX terminals")

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGPIPE"), reason="no POSIX signals on this system"
)
ENDLESS = "--num-steps=1000000"


def read_until(fd, pattern, seconds=20):
    """What arrives at fd up to the first match of pattern."""
    seen, end = b"", time.monotonic() + seconds
    os.set_blocking(fd, False)
    while not re.search(pattern, seen) and time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(fd, 1 << 16)
            if not chunk:
                break  # the program has ended
            seen += chunk
        time.sleep(0.002)
    assert re.search(pattern, seen), f"nothing like {pattern} in {seen!r}"
    return seen


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
        with contextlib.suppress(ProcessLookupError):  # the whole group has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


# What is seen while it runs. A buffer would hold back 8,192 bytes.


@pytest.fixture
def seen_of(start_process):
    """What a started program has written up to a match of pattern."""

    def start(pattern, *arguments):
        process = start_process([sys.executable, str(PROGRAM), *arguments], stdout=subprocess.PIPE)
        return read_until(process.stdout.fileno(), pattern)

    return start


@pytest.fixture
def seen_of_stuck(start_process, docs_txt):
    """What a program has written up to a match of pattern, if one of its functions never ends."""

    def start(function, pattern):
        stuck = f"microgpt.{function} = lambda *_: time.sleep(600)"
        code = f"import microgpt, time; {stuck}; microgpt.main()"
        command = [sys.executable, "-c", code, str(docs_txt), "--num-steps=1"]
        process = start_process(command, stdout=subprocess.PIPE, cwd=ROOT)
        return read_until(process.stdout.fileno(), pattern)

    return start


def test_the_header_is_seen_before_the_first_step(seen_of_stuck):
    """The first three lines come at once, however long the first step takes."""
    seen_of_stuck("train", rb"num params: \d+\n")


def test_each_step_line_is_seen_as_it_comes(seen_of, docs_txt):
    """The fifth step is seen long before a buffer is full."""
    seen = seen_of(rb"step +5 / 1000000 \| loss \d\.\d{4}\r", str(docs_txt), ENDLESS)
    assert len(seen) < 4096


def test_the_line_before_the_samples_is_seen_before_the_first(seen_of_stuck):
    """Between the last step and the first sample there is something to see."""
    seen_of_stuck("sample", rb"names\) ---\n")


def test_each_sample_is_seen_as_it_comes(seen_of, docs_txt):
    """`| tee log` shows the first sample before the last is drawn."""
    seen = seen_of(rb"sample  1: .*\n", str(docs_txt), "--num-steps=1", "--num-samples=1000000")
    assert len(seen) < 4096


def test_each_step_covers_the_one_before_on_a_terminal(docs_txt):
    """Step lines end in a carriage return alone."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    ours, theirs = pty.openpty()
    try:
        done = run_program(docs_txt, "--num-steps=3", "--num-samples=1", stdout=theirs)
        lines = read_until(ours, rb"sample  1: \w*\r\n").decode().split("\n")
    finally:
        os.close(ours)
        os.close(theirs)
    assert [line.rpartition("\r")[0].count("\r") for line in lines[3:5]] == [3, 0]
    assert done.stderr == b""


# Signals and streams


def with_default_sigint():
    """Tests that run in the background ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_a_shells_loop(start_process, docs_txt):
    """The program dies of the signal, without a word: after a status, bash would go on."""
    loop = f'for s in 1 2 3; do "{sys.executable}" "{PROGRAM}" "{docs_txt}" {ENDLESS}; done'
    process = start_process(
        ["bash", "-c", loop],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=with_default_sigint,
    )
    read_until(process.stdout.fileno(), rb"step +5 ")
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    assert process.wait(timeout=20) == -signal.SIGINT
    assert process.stderr.read() == b""


@pytest.mark.skipif(
    sys.implementation.name == "pypy",
    reason="PyPy takes SIGINT over when it starts, so nobody can tell that it was ignored",
)
def test_a_background_job_survives_a_ctrl_c_that_is_not_for_it(start_process, docs_txt):
    """A job that a script starts with & ignores SIGINT, and goes on."""
    job = f'"{sys.executable}" "{PROGRAM}" "{docs_txt}" {ENDLESS} & wait; wait'
    process = start_process(["bash", "-c", job], stdout=subprocess.PIPE)
    output = process.stdout.fileno()
    read_until(output, rb"step +5 ")
    os.killpg(process.pid, signal.SIGINT)
    last = max(map(int, re.findall(rb"step +(\d+)", read_until(output, rb"step +\d+ .*\r"))))
    read_until(output, rb"step +%d " % (last + 20))


@pytest.mark.parametrize(
    "end, expected",
    [
        ("--num-steps=1000000 | head -n 1", (128 + 13, b"num docs: 3\n", b"")),
        ("--num-steps=2 >&-", (0, b"", b"")),
    ],
    ids=["head", "no stdout"],
)
def test_a_closed_stdout_ends_it_without_a_word(docs_txt, end, expected):
    """`| head` ends it as it ends cat, and a stdout that was never open does no harm."""
    command = f'set -o pipefail; "{sys.executable}" "{PROGRAM}" "{docs_txt}" --num-samples=1 {end}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == expected


def waiting_in(pipe):
    """How many bytes have been written to the pipe and not been read."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def test_a_slow_reader_gets_every_line(start_process, docs_txt):
    """A pipe that is full makes the program wait, and nothing is lost."""
    tiny = ["--n-embd=1", "--n-head=1", "--n-layer=0", "--block-size=1"]
    command = [sys.executable, str(PROGRAM), str(docs_txt), *tiny, "--num-steps=2200"]
    process = start_process(command, stdout=subprocess.PIPE)
    before, now = -1, 0
    # Wait until nothing more is written, which means that the pipe is full.
    while process.poll() is None and (now > before or now < 16384):
        time.sleep(0.3)
        before, now = now, waiting_in(process.stdout)
    assert process.poll() is None, "the program has ended, so the pipe was not full"
    seen = process.stdout.read()
    steps = [int(step) for step in re.findall(rb"step +(\d+) ", seen)]
    assert steps == list(range(1, 2201))
    assert process.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error(docs_txt):
    """What cannot be written is not passed over in silence."""
    with open("/dev/full", "wb") as full:
        done = run_program(docs_txt, "--num-steps=2", stdout=full)
    assert done.returncode != 0
    assert b"No space left on device" in done.stderr
