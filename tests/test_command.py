"""The command takes settings and a file, and says in one line what is wrong with them."""

import dataclasses
import gc
import io
import math
import os
import signal
import sys

import pytest
from helpers import INPUT, ROOT

import microgpt
from microgpt import Config

# Settings

NAN, INF = math.nan, math.inf
REFUSED = {
    "n_embd": [0, -4, 16.0, "16"],
    "n_head": [0, -1, 3],
    "n_layer": [-1, 1.5],
    "block_size": [0],
    "init_std": [-0.1, NAN, INF, 10**400],
    "learning_rate": [-1e-9, NAN, INF, -INF, "0.1"],
    "beta1": [-0.1, 1.0, 1.5, NAN],
    "beta2": [-0.1, 1.0, 1.5, INF, NAN],
    "eps_adam": [0.0, -1e-8, NAN, INF],
    "num_steps": [-1, 2.5, "3", None],
    "temperature": [0.0, -0.5, NAN, INF],
    "num_samples": [-1],
    "seed": [1.5, "x", None],
    "prompt": ["a" * 16, "a" * 99, 5, 2.5],
}
ALLOWED = {
    "n_embd": [4, 400],
    "n_head": [1, 16],
    "n_layer": [0, 1],
    "block_size": [1],
    "init_std": [0.0, 1, 1e308],
    "learning_rate": [0.0, 1, 1e308],
    "beta1": [0, 0.999999],
    "beta2": [0.0],
    "eps_adam": [5e-324, 1e308],
    "num_steps": [0],
    "temperature": [5e-324, 1, 1e308],
    "num_samples": [0],
    "seed": [-1, 0, 10**400],
    "prompt": ["", "a" * 15],
}


def cases_of(table):
    """A case for each value of each setting."""
    return [
        pytest.param(name, value, id=f"{name}={value!r}"[:40])
        for name, values in table.items()
        for value in values
    ]


@pytest.mark.parametrize("name, value", cases_of(REFUSED))
def test_a_value_that_cannot_be_computed_with_is_refused(name, value):
    """Config raises a ValueError that names the setting."""
    with pytest.raises(ValueError, match=name):
        Config(**{name: value})


@pytest.mark.parametrize("name, value", cases_of(ALLOWED))
def test_a_value_at_the_edge_is_taken(name, value):
    """It is not too strict by one."""
    assert getattr(Config(**{name: value}), name) == value


def test_a_setting_cannot_be_changed():
    """A Config is frozen: weights that were made for it still fit."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_embd = 32


def test_the_defaults_are_the_references_constants():
    """As they stand in microgpt.js, and no prompt."""
    assert dataclasses.asdict(Config()) == {
        "n_embd": 16,
        "n_head": 4,
        "n_layer": 1,
        "block_size": 16,
        "init_std": 0.08,
        "learning_rate": 0.01,
        "beta1": 0.85,
        "beta2": 0.99,
        "eps_adam": 1e-8,
        "num_steps": 1000,
        "temperature": 0.5,
        "num_samples": 20,
        "seed": 42,
        "prompt": "",
    }


# run()


def test_run_leaves_its_documents_as_they_were(capsys):
    """The caller's list keeps its order, and any iterable will do."""
    docs = ["anna", "bob", "cleo", "dora"]
    microgpt.run(docs, Config(num_steps=2, num_samples=1))
    assert docs == ["anna", "bob", "cleo", "dora"]
    microgpt.run(iter(docs), Config(num_steps=2, num_samples=1))
    assert capsys.readouterr().out.count("num docs: 4\n") == 2


@pytest.mark.parametrize(
    "docs, prompt, named", [([], "", "documents"), (["anna"], "az", "'z'")], ids=["docs", "prompt"]
)
def test_run_refuses_what_it_cannot_use_before_it_starts(docs, prompt, named, capsys):
    """No documents, or a prompt with a character of none: ValueError, and nothing is printed."""
    with pytest.raises(ValueError, match=named):
        microgpt.run(docs, Config(prompt=prompt))
    assert capsys.readouterr().out == ""


def test_run_leaves_no_trace_in_the_process(monkeypatch, tmp_path):
    """Signals, the collector, the environment, stdout and the folder belong to the caller.

    Only the random numbers of random_compat start again."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")

    def state():
        return dict(os.environ), stdout.encoding, os.listdir(tmp_path)

    def refuse(*arguments):
        raise AssertionError("run() has changed the process")

    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(signal, "signal", refuse)
    monkeypatch.setattr(gc, "disable", refuse)
    monkeypatch.chdir(tmp_path)
    before = state()
    microgpt.run(["anna", "bob"], Config(num_steps=2, num_samples=1))
    assert state() == before
    assert stdout.detach().getvalue().startswith(b"num docs: 2\r\n")


# Flags


@pytest.fixture
def command(monkeypatch):
    """Calls main() with these arguments. Signals and collector are recorded and not set."""
    record = {}

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["microgpt", *map(str, arguments)])
        microgpt.main()
        return record

    monkeypatch.setattr(signal, "signal", lambda number, handler: record.update({number: handler}))
    monkeypatch.setattr(gc, "disable", lambda: record.update(collector="off"))
    return call


@pytest.fixture
def runs(monkeypatch):
    """What main() has called run() with."""
    seen = []
    monkeypatch.setattr(microgpt, "run", lambda docs, config: seen.append((docs, config)))
    return seen


SETTINGS = {
    "n_embd": 6,
    "n_head": 3,
    "n_layer": 2,
    "block_size": 5,
    "init_std": 0.5,
    "learning_rate": 0.25,
    "beta1": 0.5,
    "beta2": 0.75,
    "eps_adam": 0.125,
    "num_steps": 7,
    "temperature": 2.5,
    "num_samples": 3,
    "seed": -8,
    "prompt": "a",
}


def test_every_setting_is_a_flag_that_reaches_the_run(command, runs, docs_txt):
    """Each flag sets its own setting, and no setting is without a flag."""
    assert list(SETTINGS) == [f.name for f in dataclasses.fields(Config)]
    command(docs_txt, *(f"--{n.replace('_', '-')}={value}" for n, value in SETTINGS.items()))
    assert runs == [(["anna", "bob", "cleo"], Config(**SETTINGS))]


def test_the_input_is_input_txt_by_default(command, runs, monkeypatch):
    """In the working directory, as in the reference, with the defaults of Config."""
    monkeypatch.chdir(ROOT)
    command()
    assert runs == [(microgpt.load_docs(INPUT), Config())]


def test_a_prompt_may_have_characters_of_any_document(command, runs, docs_txt):
    """a, b and c stand in three different documents, and the blank at its end is kept."""
    docs_txt.write_bytes(b"anna\nbob c\ncleo\n")
    command(docs_txt, "--prompt=abc ")
    assert [config.prompt for _, config in runs] == ["abc "]


def test_help_has_each_setting_with_its_text_and_its_default(command, capsys, monkeypatch):
    """A line for each flag, and exit status 0."""
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stopped:
        command("--help")
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for f in dataclasses.fields(Config):
        about, default = f.metadata["about"], f.default if f.default != "" else "none"
        kind = f.type.__name__.upper()
        assert f"--{f.name.replace('_', '-')} {kind} {about} (default: {default})" in text


# Errors of the user


@pytest.fixture
def error_of(command, capsys):
    """What main() says on stderr behind argparse's usage. It exits with 2 and prints no more."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            command(*arguments)
        out, err = capsys.readouterr()
        assert (stopped.value.code, out) == (2, "")
        usage, _, message = err.partition("\nmicrogpt: error: ")
        assert usage.startswith("usage: microgpt ")
        assert message.count("\n") == 1
        return message

    return call


WRONG = {
    "--n-head=3": ["n_head", "3", "n_embd", "16"],
    "--learning-rate=-1": ["learning_rate", "at least 0", "-1"],
    "--prompt=annaannaannaanna": ["prompt", "block_size", "16"],
    "--prompt=ab!": ["prompt", "'!'"],
    "--seed=x": ["--seed", "int", "'x'"],
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_setting_is_one_line_that_names_it(error_of, docs_txt, argument):
    """The line has the setting and what is wrong with its value."""
    message = error_of(docs_txt, argument)
    assert all(word in message for word in WRONG[argument]), message


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "No such file or directory"),
        (b"a\n\xeb\n", "'utf-8' codec can't decode"),
        ("anna\n".encode("utf-16"), "'utf-8' codec can't decode"),
    ],
    ids=["missing", "Latin-1", "UTF-16"],
)
def test_an_input_that_cannot_be_read_is_one_line_that_names_it(
    error_of, docs_txt, content, reason
):
    """The line has the file and the reason."""
    if content is None:
        docs_txt.unlink()
    else:
        docs_txt.write_bytes(content)
    message = error_of(docs_txt)
    assert str(docs_txt) in message
    assert reason in message


def test_an_input_without_documents_is_one_line(error_of, docs_txt):
    """Blank lines alone are nothing to learn from."""
    docs_txt.write_bytes(b"\n \n")
    assert "no documents" in error_of(docs_txt, "--prompt=a")


def test_a_run_that_overflows_ends_with_one_line(command, capfd):
    """Below the last step line: what happened, which flags may help, and exit status 1."""
    with pytest.raises(SystemExit) as stopped:
        command(INPUT, "--num-steps=4", "--learning-rate=1e6")
    out, err = capfd.readouterr()
    assert stopped.value.code == 1
    assert out.endswith("\rstep    2 /    4 | loss inf\r\n")
    assert err.startswith("microgpt: error: a score is infinite or nan")
    assert err.count("\n") == 1
    for flag in ("--learning-rate", "--init-std", "--temperature"):
        assert flag in err


BUGS = [ValueError, OSError, UnicodeError, LookupError, OverflowError, AssertionError, Exception]


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_shows_its_traceback(command, monkeypatch, docs_txt, bug):
    """An error of the program's own is not reported as the user's."""

    def rmsnorm(x):
        raise bug("a mistake in rmsnorm")

    monkeypatch.setattr(microgpt, "rmsnorm", rmsnorm)
    with pytest.raises(bug, match="a mistake in rmsnorm"):
        command(docs_txt)


# main() owns its process


def test_main_writes_utf8_and_newlines_on_any_stdout(command, docs_txt, monkeypatch):
    """Also on one that is ASCII with CRLF."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")
    monkeypatch.setattr(sys, "stdout", stdout)
    docs_txt.write_bytes("é\n".encode())
    command(docs_txt, "--num-steps=0", "--num-samples=25", "--prompt=é")
    out = stdout.detach().getvalue()
    assert b"\r" not in out
    assert out.count(": é".encode()) == 25


def test_main_runs_on_a_system_without_sigpipe(command, runs, docs_txt, monkeypatch):
    """Windows has none."""
    monkeypatch.delattr(signal, "SIGPIPE", raising=False)
    record = command(docs_txt)
    assert len(runs) == 1
    assert set(record) <= {signal.SIGINT, "collector"}


def test_main_leaves_an_ignored_ctrl_c_ignored(command, runs, docs_txt, monkeypatch):
    """A background job of a script ignores the Ctrl-C that is meant for others."""
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    assert signal.SIGINT not in command(docs_txt)


@pytest.mark.parametrize("name, expected", [("cpython", "off"), ("pypy", None)])
def test_main_turns_the_collector_off_on_cpython_alone(
    command, runs, docs_txt, monkeypatch, name, expected
):
    """CPython frees a graph without it; PyPy needs it."""
    monkeypatch.setattr(sys.implementation, "name", name)
    assert command(docs_txt).get("collector") == expected


@pytest.mark.parametrize("stdout", [None, object()], ids=["closed", "without reconfigure()"])
def test_main_runs_where_stdout_is_no_text_file(command, runs, docs_txt, monkeypatch, stdout):
    """A stdout that was never open is None, and IDLE and notebooks have one of their own."""
    monkeypatch.setattr(sys, "stdout", stdout)
    command(docs_txt)
    assert len(runs) == 1
