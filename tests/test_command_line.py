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


def test_the_defaults_are_the_references_constants():
    """Fails for a default that is another one, or a setting that is new."""
    assert dataclasses.asdict(Config()) == {
        "n_embd": 16, "n_head": 4, "n_layer": 1, "block_size": 16, "init_std": 0.08, "learning_rate": 0.01,
        "beta1": 0.85, "beta2": 0.99, "eps_adam": 1e-8, "num_steps": 1000, "temperature": 0.5, "num_samples": 20,
        "seed": 42, "prompt": "",
    }  # fmt: skip
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_embd = 32


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


@pytest.mark.parametrize("name, value", [(name, value) for name, values in REFUSED.items() for value in values])
def test_settings_out_of_bounds_are_refused(name, value):
    """Fails for a bound that is missing or on the wrong side, and for nan, which no comparison catches by itself."""
    with pytest.raises(ValueError, match="must be"):
        Config(**{name: value})


@pytest.mark.parametrize("name, value", [(name, value) for name, values in ALLOWED.items() for value in values])
def test_settings_at_the_edge_are_taken(name, value):
    """Fails for a bound that shuts out what can be computed."""
    assert getattr(Config(**{name: value}), name) == value


@pytest.mark.parametrize("name, value", [(name, value) for name, values in WRONG_TYPE.items() for value in values])
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
    assert list(settings) == [f.name for f in dataclasses.fields(Config)]
    seen = []
    monkeypatch.setattr(microgpt, "run", lambda docs, config: seen.append((docs, config)))
    monkeypatch.chdir(ROOT)
    microgpt.main([str(docs_txt), *flags(settings)])
    microgpt.main([])
    monkeypatch.setattr(sys, "argv", ["microgpt.py", str(docs_txt)])
    microgpt.main()
    default = microgpt.load_docs("input.txt")
    three = ["anna", "bob", "cleo"]
    assert seen == [(three, Config(**settings)), (default, Config()), (three, Config())]


def test_each_setting_changes_the_output(capsys, docs_txt):
    """Fails for a setting that reaches the run and is not used there."""
    base = {"num_steps": 6, "num_samples": 6, "n_embd": 4, "n_head": 2, "block_size": 8, "init_std": 0.5}
    changes = {
        "n_embd": 6, "n_head": 1, "n_layer": 2, "block_size": 2, "init_std": 0.6, "learning_rate": 0.1, "beta1": 0.1,
        "beta2": 0.1, "eps_adam": 1, "num_steps": 7, "temperature": 5, "num_samples": 7, "seed": 1, "prompt": "b",
    }  # fmt: skip
    outputs = set()
    for change in [{}, *({name: value} for name, value in changes.items())]:
        microgpt.main([str(docs_txt), *flags({**base, **change})])
        outputs.add(capsys.readouterr().out)
    assert len(outputs) == 1 + len(changes)


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


def test_a_prompt_begins_every_sample(capsys, docs_txt):
    """Fails for a prompt that is lost on the way from the command line."""
    microgpt.main([str(docs_txt), "--num-steps=1", "--num-samples=5", "--prompt=an"])
    assert len(re.findall(r"^sample +\d: an", capsys.readouterr().out, re.MULTILINE)) == 5


def test_run_leaves_its_documents_as_they_were(capsys):
    """Fails for a list that is shuffled in place: a second run would see another order."""
    docs = ["anna", "bob", "cleo", "dora"]
    outputs = []
    for _ in range(2):
        microgpt.run(docs, Config(num_steps=2, num_samples=1))
        outputs.append(capsys.readouterr().out)
    assert docs == ["anna", "bob", "cleo", "dora"] and outputs[0] == outputs[1]


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
    host = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")
    monkeypatch.setattr(sys, "stdout", host)
    before = signal.getsignal(signal.SIGINT), gc.isenabled(), os.environ.copy(), sorted(docs_txt.parent.iterdir())
    microgpt.main([str(docs_txt), "--num-steps=2", "--num-samples=1"])
    after = signal.getsignal(signal.SIGINT), gc.isenabled(), os.environ.copy(), sorted(docs_txt.parent.iterdir())
    assert before == after and host.encoding == "ascii" and b"\r\n" in host.detach().getvalue()


def test_import_star_gives_what_a_user_needs():
    """Fails for a module under a false name (random) or a private helper in a user's namespace."""
    names = {}
    exec("from microgpt import *", names)
    assert {"Config", "Value", "dot", "mlp", "gpt", "document_loss", "train", "sample", "run"} <= names.keys()
    assert not {"random", "math", "sys", "gc", "field", "signal", "BOUNDS"} & names.keys()


# Real processes

posix = pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="no POSIX signals on this system")


@pytest.fixture
def ctrl_c():
    """Children can be interrupted even if the tests run in the background, where SIGINT is ignored and inherited so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
def test_ctrl_c_ends_a_shells_loop(docs_txt, ctrl_c):
    """Fails for a command that returns a status where it should die of the signal: bash would go on with seed 2."""
    loop = f'for s in 1 2 3; do "{sys.executable}" "{PROGRAM}" "{docs_txt}" --num-steps 1000000 --seed $s; done'
    ours, theirs = os.pipe()
    process = subprocess.Popen(["bash", "-c", loop], stdout=theirs, stderr=subprocess.PIPE, start_new_session=True)
    os.close(theirs)
    try:
        read_until(ours, rb"step +5 / 1000000 \| loss \d\.\d{4}\r")  # each step line is flushed
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does
        _, err = process.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        os.close(ours)
    assert process.returncode == -signal.SIGINT and err == b""


@posix
def test_head_ends_it_without_a_word(docs_txt):
    """Fails for a BrokenPipeError, "Exception ignored" at exit, or a program that goes on for hours."""
    shell = f'set -o pipefail; "{sys.executable}" "{PROGRAM}" "{docs_txt}" --num-steps 1000000 | head -n 1'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGPIPE, b"num docs: 3\n", b"")


@posix
def test_samples_are_seen_as_they_come(docs_txt, ctrl_c):
    """Fails for samples that stay in a buffer: `| tee log` would show nothing for minutes."""
    command = [sys.executable, str(PROGRAM), str(docs_txt), "--num-steps=1", "--num-samples=1000000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        seen = read_until(process.stdout.fileno(), rb"sample  1: .*\n")
        assert len(seen) < 4096
    finally:
        process.kill()
        process.communicate()


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


@posix
def test_no_stdout_at_all(docs_txt):
    """`microgpt >&-`: sys.stdout is None. print() is silent then, and so is this."""
    shell = f'exec "{sys.executable}" "{PROGRAM}" "{docs_txt}" --num-steps 2 --num-samples 1 >&-'
    done = subprocess.run(["sh", "-c", shell], stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_importing_runs_nothing():
    """Fails for a module that trains, prints, reads or draws a number when it is imported."""
    code = "import random_compat as r; r.seed(1); import microgpt; print(r.random() == r.Random(1).random())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=30)
    assert (done.stdout.strip(), done.stderr) == (b"True", b"")
