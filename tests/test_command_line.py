"""The program as a person at a terminal meets it: real processes, their bytes and their exit status."""

import contextlib
import dataclasses
import gc
import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import PROGRAM, ROOT

import microgpt

SHORT = ("--num-steps", "3", "--num-samples", "2", "--n-embd", "4", "--n-head", "2")


@pytest.fixture
def docs_txt(tmp_path):
    path = tmp_path / "docs.txt"
    path.write_text("anna\nbob\ncleo\n")
    return path


def assert_one_line(done, *words, status=2):
    """One line on stderr with all of words in it, and the exit status."""
    text = done.stderr.decode()
    assert done.returncode == status, text
    assert text.startswith("microgpt: error: ") and text.endswith("\n") and text.count("\n") == 1
    assert "[Errno" not in text  # the reason in words, and the file named once
    for word in words:
        assert str(word) in text


# Errors


def test_no_such_file(command, tmp_path):
    """A traceback. In a folder without input.txt this is what a newcomer sees first."""
    assert_one_line(command(tmp_path / "nope.txt"), "nope.txt", "No such file", "name a text file")
    assert_one_line(command(cwd=tmp_path), "'input.txt'", "No such file")


def test_a_directory(command, tmp_path):
    assert_one_line(command(tmp_path), "Is a directory")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="to root every file is readable")
def test_an_unreadable_file(command, docs_txt):
    docs_txt.chmod(0)
    assert_one_line(command(docs_txt), "Permission denied")


@pytest.mark.skipif(
    not os.path.exists("/proc/self/mem"), reason="this system has no file that opens but cannot be read"
)
def test_a_file_that_opens_but_cannot_be_read(command):
    """An OSError from read(), which does not know the file's name."""
    assert_one_line(command("/proc/self/mem"), "/proc/self/mem", "Input/output error")


def test_not_utf8(command, docs_txt):
    docs_txt.write_bytes(b"anna\nbob\nzo\xeb\n")
    assert_one_line(command(docs_txt), "line 3", "UTF-8")


def test_no_documents(command, docs_txt):
    docs_txt.write_bytes(b" \n\n")
    assert_one_line(command(docs_txt), "no documents")


@pytest.mark.parametrize(
    "flag, value",
    [
        ("--n-embd", "15"), ("--n-embd", "0"), ("--n-head", "0"), ("--n-layer", "0"), ("--block-size", "-3"),
        ("--num-steps", "-1"), ("--num-samples", "-1"), ("--temperature", "0"), ("--temperature", "nan"),
        ("--temperature", "inf"), ("--learning-rate", "-0.1"), ("--learning-rate", "nan"), ("--init-std", "inf"),
        ("--beta1", "1"), ("--beta2", "1.5"), ("--eps-adam", "0"), ("--seed", "1.5"), ("--seed", "x"),
        ("--n-embd", "1e3"), ("--num-steps", ""), ("--learning-rate", "fast"),
    ],
)  # fmt: skip
def test_settings_out_of_range(command, flag, value, docs_txt):
    """A setting that is taken and fails later: as a division by zero, an endless run or a page of nan."""
    done = command(docs_txt, f"{flag}={value}")
    assert_one_line(done)
    assert re.search(flag[2:].replace("-", "[-_]"), done.stderr.decode())
    assert done.stdout == b""


@pytest.mark.parametrize(
    "arguments", [("--frobnicate",), ("a.txt", "b.txt"), ("--n-embd",), ("--n-emb", "8"), ("--seed", ""), ("--x\ny",)]
)
def test_unknown_arguments(command, arguments):
    """argparse's own message, which comes with a dozen lines of usage; a prefix of a flag taken for the flag."""
    assert_one_line(command(*arguments), "--help")


LINES = [
    (["{docs}", "--temperature=0"], "temperature is 0.0: choose one in (0, inf)"),
    (["{docs}", "--n-layer=0"], "n_layer is 0: choose one in [1, inf)"),
    (["{docs}", "--beta1=1"], "beta1 is 1.0: choose one in [0, 1)"),
    (["{docs}", "--n-embd=15"], "n_embd is 15: choose a multiple of n_head, which is 4"),
    (["{docs}", "--seed=x"], "argument --seed: invalid int value: 'x'; --help lists what there is"),
    (["{docs}", "--init-std"], "argument --init-std: expected one argument; --help lists what there is"),
    (["{docs}", "b", "--c"], "unrecognized arguments: b --c; --help lists what there is"),
    (["{empty}"], "'{empty}' holds no documents: write at least one, one a line"),
    (["{latin}"], "'{latin}' is not UTF-8 in line 2: save it in that encoding"),
    (["{none}"], "cannot read '{none}': No such file or directory; name a text file, one document a line"),
]


@pytest.mark.parametrize("arguments, line", LINES)
def test_the_line_in_full(command, docs_txt, arguments, line):
    """A message that lacks the value, the remedy or a space, in any version of Python."""
    places = {name: docs_txt.with_name(f"{name}.txt") for name in ("empty", "latin", "none")}
    places["docs"] = docs_txt
    places["empty"].write_bytes(b"\n")
    places["latin"].write_bytes(b"anna\nzo\xeb\n")
    done = command(*(argument.format(**places) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"microgpt: error: {line.format(**places)}\n"


def test_divergence(command, docs_txt):
    """nan, on to the last step."""
    done = command(docs_txt, "--learning-rate", "1e200")
    assert_one_line(done, "step 2", "lower learning_rate")
    assert done.stdout.endswith(b"\r\n")  # or on a terminal the message is written over the step line
    assert b"nan" not in done.stdout.lower()


# What goes right


def test_help(command):
    """A setting without explanation, default or range; a text that argparse breaks on (%); lines wider than a
    terminal."""
    done = command("--help", env={**os.environ, "COLUMNS": "80"})
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert re.findall(r"^(\w+):$", text, re.MULTILINE) == ["data", "model", "training", "sampling", "help"]
    flat = " ".join(text.split())
    assert "input.txt" in flat
    for f in dataclasses.fields(microgpt.Config):
        about = re.escape(
            f"{f.metadata['meaning']} ({type(f.default).__name__} in {f.metadata['interval']}, default {f.default})"
        )
        assert re.search(f"--{f.name.replace('_', '-')} X {about}", flat), f.name


def test_help_goes_where_it_is_asked_to(capsys):
    """argparse's print_help(file), overridden without its argument."""
    text = io.StringIO()
    microgpt.command_line().print_help(text)
    assert text.getvalue() == microgpt.command_line().format_help()
    assert capsys.readouterr().out == ""


def test_every_setting_is_a_flag_that_reaches_the_run(monkeypatch, docs_txt):
    """A flag that is parsed and forgotten, or sets its neighbour."""
    settings = {
        "n_embd": 6, "n_head": 3, "n_layer": 2, "block_size": 5, "init_std": 0.5, "learning_rate": 0.25, "beta1": 0.5,
        "beta2": 0.75, "eps_adam": 0.125, "num_steps": 7, "temperature": 2.5, "num_samples": 3, "seed": -8,
    }  # fmt: skip
    assert list(settings) == [f.name for f in dataclasses.fields(microgpt.Config)]
    seen = []
    monkeypatch.setattr(microgpt, "run", lambda path, config: seen.append((path, config)))
    argv = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert microgpt.main([str(docs_txt), *argv]) == 0
    assert microgpt.main([]) == 0
    assert seen == [(str(docs_txt), microgpt.Config(**settings)), ("input.txt", microgpt.Config())]
    assert all(
        type(a) is type(b) for a, b in zip(dataclasses.astuple(seen[0][1]), dataclasses.astuple(microgpt.Config()))
    )


@pytest.mark.skipif(not hasattr(gc, "get_threshold"), reason="this interpreter's collector has no thresholds")
def test_the_collector_is_left_as_it_was(monkeypatch):
    """A caller of main() whose own cycles are not collected any more, after a run or after an error."""
    before, during = gc.get_threshold(), []

    def run(path, config):
        during.append(gc.get_threshold()[0])
        if config.seed == 1:
            raise ValueError

    monkeypatch.setattr(microgpt, "run", run)
    assert microgpt.main([]) == 0
    assert gc.get_threshold() == before
    with pytest.raises(SystemExit):
        microgpt.main(["--seed", "1"])
    assert gc.get_threshold() == before
    assert min(during) > before[0] and gc.isenabled()


@pytest.mark.skipif(not hasattr(gc, "get_threshold"), reason="this interpreter does not count references")
def test_a_graph_is_freed_without_the_collector():
    """A cycle in the graph, or in backward() itself: main() lets the collector run so rarely that memory would grow."""
    x = microgpt.Value(2.0)
    config = microgpt.Config(n_embd=4, n_head=2)
    state_dict = microgpt.init_state_dict(config, 4)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            (x * x + x).log().backward()
            microgpt.forward([3, 0, 1, 3], state_dict, config).backward()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_settings_change_the_output(command, docs_txt):
    """A setting that reaches the run and is not used there."""
    base = ["--num-steps=6", "--num-samples=6", "--n-embd=4", "--n-head=2", "--block-size=8", "--init-std=0.5"]
    outputs = {command(docs_txt, *base).stdout}
    changes = [
        "--n-embd=6", "--n-head=1", "--n-layer=2", "--block-size=2", "--init-std=0.6", "--learning-rate=0.1",
        "--beta1=0.1", "--beta2=0.1", "--eps-adam=1", "--num-steps=7", "--temperature=5", "--num-samples=7", "--seed=1",
    ]  # fmt: skip
    for change in changes:
        done = command(docs_txt, *base, change)
        assert (done.returncode, done.stderr) == (0, b"")
        outputs.add(done.stdout)
    assert len(outputs) == 1 + len(changes)


def test_nothing_to_do(command, docs_txt):
    """No steps and no samples: what is left of the reference's output."""
    done = command(docs_txt, "--num-steps", "0", "--num-samples", "0")
    assert (
        done.stdout == b"num docs: 3\nvocab size: 8\nnum params: 3584\n\n--- inference (new, hallucinated names) ---\n"
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_is_written_but_stdout(command, docs_txt):
    """A file left behind in the working directory."""
    assert command(docs_txt, *SHORT, cwd=docs_txt.parent).returncode == 0
    assert [path.name for path in docs_txt.parent.iterdir()] == ["docs.txt"]


# Terminals, pipes, signals


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


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_each_step_line_is_flushed(docs_txt, ctrl_c, kind):
    """Nothing to be seen for hundreds of steps: they end in \\r, and 8,192 bytes of buffer hold 250 step lines.
    (On a terminal Python writes the buffer out at \\r, too: only a pipe, as in `| tee log`, shows a missing flush.)"""
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    ours, theirs = pty.openpty() if kind == "terminal" else os.pipe()
    command = [sys.executable, str(PROGRAM), str(docs_txt), "--num-steps", "100000", "--n-embd", "32", "--n-layer", "2"]
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE)
    try:
        seen = read_until(ours, rb"step +\d+ / 100000 \| loss \d\.\d{4}\r")
        assert len(seen) < 4096, seen
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
        os.close(theirs)


def test_ctrl_c_while_loading(tmp_path, ctrl_c):
    """A traceback, before the first line of output: here from a pipe that never ends."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, str(PROGRAM), str(pipe)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, open(pipe, "wb") as writer:  # which opens when the program does
        writer.write(b"anna\n")
        writer.flush()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


ENDLESS_TRAINING = ("--num-steps", "10000000", "--n-embd", "4", "--n-head", "1")
ENDLESS_SAMPLING = ("--num-steps", "1", "--num-samples", "10000000", "--n-embd", "4", "--n-head", "1")


BUFFERING = pytest.mark.parametrize("unbuffered", [(), ("-u",)], ids=["buffered", "unbuffered"])


def end_of(process, seconds=20):
    """(exit status, stderr) of a process that ought to end by itself, and is ended if it does not."""
    try:
        _, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"still runs after {seconds} seconds")
    return process.returncode, err


@BUFFERING
@pytest.mark.parametrize(
    "arguments, moment",
    [(ENDLESS_TRAINING, rb"num docs"), (ENDLESS_TRAINING, rb"step +5 /"), (ENDLESS_SAMPLING, rb"sample +9:")],
    ids=["first line", "training", "sampling"],
)
def test_ctrl_c(docs_txt, ctrl_c, arguments, moment, unbuffered):
    """A traceback, an exit status that tells nothing, or output that is lost: its reader gets what was printed."""
    ours, theirs = os.pipe()
    command = [sys.executable, *unbuffered, str(PROGRAM), str(docs_txt), *arguments]
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    seen = read_until(ours, moment)
    process.send_signal(signal.SIGINT)
    while True:  # to its end
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(ours, 1 << 16)
            seen += chunk
            if not chunk:
                break
    os.close(ours)
    assert end_of(process) == (130, b"")
    assert seen.startswith(b"num docs: 3\n")
    assert seen.endswith(b"\n") or unbuffered  # or the shell's prompt is written over the step line


@BUFFERING
@pytest.mark.parametrize(
    "arguments, moment",
    [
        (("--num-steps", "3"), None), (ENDLESS_TRAINING, None), (ENDLESS_SAMPLING, None), (("--help",), None),
        (ENDLESS_TRAINING, rb"num doc"), (ENDLESS_TRAINING, rb"step +7 /"), (ENDLESS_SAMPLING, rb"sample +9:"),
    ],
)  # fmt: skip
def test_a_closed_pipe(docs_txt, arguments, moment, unbuffered):
    """`microgpt | head -n 1`, or `| true`, which closes before anything is written: a BrokenPipeError, or "Exception
    ignored" when Python flushes stdout at the end; a program that does not notice and goes on for hours."""
    ours, theirs = os.pipe()
    command = [sys.executable, *unbuffered, str(PROGRAM), str(docs_txt), *arguments]
    if not moment:
        os.close(ours)
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    if moment:
        read_until(ours, moment)
        os.close(ours)
    assert end_of(process) == (141, b"")


@pytest.mark.parametrize("arguments", [("nowhere.txt",), ("--frobnicate",), ("--n-embd=15",)])
def test_no_stderr(arguments, tmp_path):
    """A status that says "a bug" (1) where the message has nowhere to go, in CPython 3.9 and PyPy."""
    shell = f'exec "{sys.executable}" "{PROGRAM}" {" ".join(arguments)} 2>&-'
    done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, stdout=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("steps", ["0", "5"])
def test_a_full_disk(command, docs_txt, steps):
    """A traceback, a silent success, or a complaint at exit on top of the message."""
    with open("/dev/full", "wb") as full:
        done = command(docs_txt, "--num-steps", steps, "--num-samples", "0", stdout=full)
    assert_one_line(done, "cannot write the output: No space left on device\n", status=1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [("--help",), ("--num-steps", "0", "--temperature", "1e-320")])
def test_a_full_disk_on_the_way_out(command, docs_txt, arguments):
    """Output that is still in the buffer when the program stops early, and fails to be written at exit."""
    with open("/dev/full", "wb") as full:
        assert_one_line(command(docs_txt, *arguments, stdout=full), "No space left", status=1)


def test_too_little_memory(monkeypatch, capsys):
    """A traceback for a model that is too large for the machine."""

    def run(path, config):
        raise MemoryError

    monkeypatch.setattr(microgpt, "run", run)
    with pytest.raises(SystemExit) as stopped:
        microgpt.main([])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "microgpt: error: not enough memory: lower n_embd or n_layer, shorten the input\n"


def test_no_stdout_at_all(docs_txt):
    """`microgpt >&-`: sys.stdout is None. CPython's print() is silent then, and so is this."""
    shell = f'exec "{sys.executable}" "{PROGRAM}" "{docs_txt}" --num-steps 2 --num-samples 1 >&-'
    done = subprocess.run(["sh", "-c", shell], stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


# Packaging and README


def test_no_dependency():
    """An import of anything but the standard library: -I and -S leave nothing else on the path."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import microgpt; print(microgpt.Config().seed)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, timeout=60)
    assert done.stdout.split() == [b"42"]


def test_the_help_that_the_readme_shows(command):
    """A setting that the README does not have, or has with another default or explanation."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```\n(usage: .*?)```", text, re.DOTALL)[1]
    assert command("--help", env={**os.environ, "COLUMNS": "128"}).stdout.decode() == shown
