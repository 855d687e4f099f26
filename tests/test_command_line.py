"""The command does what a person at a terminal expects: settings, errors, signals, pipes, flushing."""

import contextlib
import dataclasses
import gc
import io
import math
import os
import re
import signal
import subprocess
import sys
import time
from unittest.mock import Mock

import pytest
from conftest import PROGRAM, ROOT, flags, start

import microgpt
from microgpt import Config


@pytest.fixture
def docs_txt(tmp_path):
    path = tmp_path / "docs.txt"
    path.write_bytes(b"anna\nbob\ncleo\n")
    return path

def fails(capsys, *arguments):
    """The exit status and stderr of main(), which must have printed nothing else."""
    with pytest.raises(SystemExit) as stopped:
        microgpt.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert out == ""
    return stopped.value.code, err

# Settings

NAN, INF = math.nan, math.inf
REFUSED = {
    "n_embd": [0, -4], "n_head": [0, -1, 3], "n_layer": [0], "block_size": [0], "num_steps": [-1],
    "num_samples": [-1], "init_std": [-0.1, NAN], "learning_rate": [-1e-9, NAN, -INF], "beta1": [-0.1, 1.0, NAN],
    "beta2": [-0.1, 1.0, INF, NAN], "eps_adam": [0.0, -1e-8, NAN], "temperature": [0.0, -0.5, NAN],
    "prompt": ["a" * 16, "a" * 99],
}  # fmt: skip
ALLOWED = {
    "n_embd": [4, 400], "n_head": [1, 16], "n_layer": [1], "block_size": [1], "num_steps": [0], "num_samples": [0],
    "init_std": [0.0, 1, 1e300], "learning_rate": [0.0, 1, 1e300], "beta1": [0, 0.999999], "beta2": [0.0],
    "eps_adam": [5e-324], "temperature": [5e-324, 1, 1e300], "seed": [-1, 0, 10**400], "prompt": ["", "a" * 15],
}  # fmt: skip
WRONG_TYPE = {"num_steps": [2.5, "3", None], "n_embd": [16.0], "seed": [1.5, "x"], "beta1": ["0.5"], "prompt": [5]}

def pairs(table):
    return pytest.mark.parametrize("name, value", [(name, value) for name, values in table.items() for value in values])

@pairs(REFUSED)
def test_settings_out_of_bounds_are_refused(name, value):
    """Fails for a bound that is missing or on the wrong side, and for nan, which no comparison catches by itself."""
    with pytest.raises(ValueError, match=f"^{name} must be|n_embd must be a multiple of n_head"):
        Config(**{name: value})

@pairs(ALLOWED)
def test_settings_at_the_edge_are_taken(name, value):
    """Fails for a bound that shuts out what can be computed."""
    assert getattr(Config(**{name: value}), name) == value

@pairs(WRONG_TYPE)
def test_settings_of_another_type_are_refused(name, value):
    """Fails for a setting that is taken and breaks the program later."""
    with pytest.raises(TypeError, match=f"^{name} must be of type (int|float|str), not "):
        Config(**{name: value})

def test_every_setting_is_a_flag_that_reaches_the_run(monkeypatch, docs_txt):
    """Fails for a flag that is parsed and forgotten, sets its neighbour, or has another default."""
    settings = {
        "n_embd": 6, "n_head": 3, "n_layer": 2, "block_size": 5, "init_std": 0.5, "learning_rate": 0.25, "beta1": 0.5,
        "beta2": 0.75, "eps_adam": 0.125, "num_steps": 7, "temperature": 2.5, "num_samples": 3, "seed": -8,
        "prompt": "a",
    }  # fmt: skip
    seen, three = [], ["anna", "bob", "cleo"]
    monkeypatch.setattr(microgpt, "run", lambda docs, config: seen.append((docs, config)))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["microgpt.py", str(docs_txt)])
    for arguments in ([str(docs_txt), *flags(settings)], [], None):
        microgpt.main(arguments)
    assert list(settings) == [f.name for f in dataclasses.fields(Config)]
    assert seen == [(three, Config(**settings)), (microgpt.load_docs("input.txt"), Config()), (three, Config())]

def test_help_explains_each_setting(capsys, monkeypatch):
    """Fails for a setting without explanation or default, and for a text that argparse breaks on (%)."""
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stopped:
        microgpt.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert stopped.value.code == 0
    for f in dataclasses.fields(Config):
        about = f"--{f.name.replace('_', '-')} X {f.metadata['about']} (default: {f.default})"
        assert about in text and len(f.metadata["about"]) > 10

def test_run_leaves_its_documents_as_they_were(capsys):
    """Fails for a list that is shuffled in place: a second run would see another order."""
    docs, outputs = ["anna", "bob", "cleo", "dora"], set()
    for _ in range(2):
        microgpt.run(docs, Config(num_steps=2, num_samples=1))
        outputs.add(capsys.readouterr().out)
    assert docs == ["anna", "bob", "cleo", "dora"] and len(outputs) == 1

# Errors

ERRORS = [
    (["--n-embd=0"], "n_embd must be at least 1, not 0"),
    (["--temperature=0"], "temperature must be above 0, not 0.0"),
    (["--beta1=1"], "beta1 must be below 1, not 1.0"),
    (["--n-embd=15"], "n_embd must be a multiple of n_head, which 15 is not"),
    (["--prompt=!"], "prompt has '!', a character that is in no document"),
    (["--prompt=aaaaaaaaaaaaaaaa"], "prompt must be shorter than block_size (16)"),
    (["--seed=x"], "argument --seed: invalid int value: 'x'"),
    (["--init-std"], "argument --init-std: expected one argument"),
    (["b", "--frobnicate"], "unrecognized arguments: b --frobnicate"),
]

@pytest.mark.parametrize("arguments, line", ERRORS)
def test_a_wrong_setting_is_one_line_after_the_usage(capsys, docs_txt, arguments, line):
    """Fails for a traceback, output, a line that does not say what is wrong, or another status than argparse's."""
    status, err = fails(capsys, docs_txt, *arguments)
    assert status == 2
    assert err == f"usage: microgpt [-h] [input] [--setting X ...]\nmicrogpt: error: {line}\n"

@pytest.mark.parametrize(
    "content, words", [(None, "No such file"), (b"a\n\xeb\n", "can't decode byte 0xeb"), (b"\n", "has no documents")]
)
def test_a_wrong_input_is_one_line_after_the_usage(capsys, docs_txt, content, words):
    """The same for the input. A file that cannot be read, such as a missing input.txt: the line says what to type."""
    docs_txt.unlink() if content is None else docs_txt.write_bytes(content)
    status, err = fails(capsys, docs_txt)
    assert (status, err.count("\n")) == (2, 2)
    assert words in err and ("name a text file: microgpt names.txt" in err) == (content != b"\n")

def test_a_bug_shows_its_traceback(monkeypatch, docs_txt):
    """Fails for an error of the program's own that is reported as the user's."""
    for error in (ValueError("a"), OSError(2, "b"), KeyError("c"), UnicodeDecodeError("utf-8", b"", 0, 1, "d")):
        monkeypatch.setattr(microgpt, "rmsnorm", Mock(side_effect=error))
        with pytest.raises(type(error)):
            microgpt.main([str(docs_txt)])

def test_main_leaves_no_trace(monkeypatch, docs_txt):
    """Fails for a handler of a signal, an encoding of stdout or a collector that the host has no longer."""
    state = lambda: (signal.getsignal(signal.SIGINT), gc.isenabled(), dict(os.environ), os.listdir(docs_txt.parent))  # noqa: E731
    before, host = state(), io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")
    monkeypatch.setattr(sys, "stdout", host)
    microgpt.main([str(docs_txt), "--num-steps=2", "--num-samples=1"])
    assert before == state() and host.encoding == "ascii" and b"\r\n" in host.detach().getvalue()

def test_import_star_gives_what_a_user_needs():
    """Fails for a module under a false name (random) or a private helper in a user's namespace."""
    exec("from microgpt import *", names := {})
    assert {"Config", "Value", "dot", "mlp", "gpt", "document_loss", "train", "sample", "run"} <= names.keys()
    assert not {"random", "math", "sys", "gc", "field", "signal", "BOUNDS"} & names.keys()

# Real processes

posix = pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="no POSIX signals on this system")

def read_until(fd, pattern, seconds=20):
    """What arrives at fd up to the first match of pattern."""
    seen, end = b"", time.monotonic() + seconds
    os.set_blocking(fd, False)
    while not re.search(pattern, seen) and time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            seen += os.read(fd, 1 << 16)
        time.sleep(0.002)
    assert re.search(pattern, seen), seen
    return seen

@posix
def test_ctrl_c_ends_a_shells_loop(docs_txt):
    """Fails for a command that returns a status where it should die of the signal: bash would go on with seed 2."""
    loop = f'for s in 1 2 3; do "{sys.executable}" "{PROGRAM}" "{docs_txt}" --num-steps 1000000 --seed $s; done'
    ours, theirs = os.pipe()
    restore = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - tests in the background ignore it
    process = subprocess.Popen(["bash", "-c", loop], stdout=theirs, stderr=subprocess.PIPE, start_new_session=True,
                               preexec_fn=restore)  # fmt: skip
    os.close(theirs)
    try:
        seen = read_until(ours, rb"step +5 / 1000000 \| loss \d\.\d{4}\r")
        assert len(seen) < 4096  # each step line is flushed: a buffer has 8,192 bytes
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does
        _, err = process.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        os.close(ours)
    assert process.returncode == -signal.SIGINT and err == b""

@posix
@pytest.mark.parametrize(
    "end, expected", [("1000000 | head -n 1", (128 + 13, b"num docs: 3\n", b"")), ("2 >&-", (0, b"", b""))]
)
def test_a_closed_stdout_ends_it_without_a_word(docs_txt, end, expected):
    """Fails for a BrokenPipeError, a complaint at exit, or a program that goes on after `| head`."""
    shell = f'set -o pipefail; "{sys.executable}" "{PROGRAM}" "{docs_txt}" --num-samples 1 --num-steps {end}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == expected

@posix
def test_samples_are_seen_as_they_come(docs_txt):
    """Fails for samples that stay in a buffer: `| tee log` would show nothing for minutes."""
    command = [sys.executable, str(PROGRAM), str(docs_txt), "--num-steps=1", "--num-samples=1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert len(read_until(process.stdout.fileno(), rb"sample  1: .*\n")) < 4096
        process.kill()

@posix
def test_each_step_covers_the_one_before_on_a_terminal(docs_txt):
    """Fails for step lines that scroll by: on a terminal they end in a carriage return alone."""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    ours, theirs = pty.openpty()
    done = start(docs_txt, "--num-steps=3", "--num-samples=1", stdout=theirs)
    lines = read_until(ours, rb"sample  1: \w*\r\n").decode().split("\n")
    assert [line.rpartition("\r")[0].count("\r") for line in lines[3:5]] == [3, 0]
    assert done.stderr == b""
    os.close(ours)
    os.close(theirs)

@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_an_error_that_cannot_be_written_ends_as_argparses_own(docs_txt):
    """Fails for an error of the input that is taken for one of the output."""
    bare = [sys.executable, "-c", "import argparse; argparse.ArgumentParser().error('x')"]
    with open("/dev/full", "wb") as full:
        expected = subprocess.run(bare, stderr=full, timeout=60).returncode
        assert start("nowhere.txt", cwd=docs_txt.parent, stderr=full).returncode == expected

def test_the_command_leaves_the_collector_off_where_nothing_needs_it(docs_txt):
    """Fails for a search for cycles that CPython's graphs do not have, or for one that PyPy needs and does not get."""
    code = "import gc, microgpt; microgpt.cli(); print(gc.isenabled())"
    command = [sys.executable, "-c", code, str(docs_txt), "--num-steps=1", "--num-samples=0"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, cwd=ROOT)
    assert done.stdout.split()[-1].decode() == str(sys.implementation.name != "cpython")
