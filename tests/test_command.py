"""The command has help, passes on its settings and its file, and says in one line what is wrong."""

import dataclasses
import gc
import io
import signal
import sys

import pytest
from helpers import INPUT

import microgpt
from microgpt import Config

pytestmark = pytest.mark.whole


@pytest.fixture
def command(monkeypatch):
    """Calls main() with these arguments. Signals and collector are recorded and not set."""
    record = {}
    monkeypatch.setenv("NO_COLOR", "1")  # argparse has colors from Python 3.14 on
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["folder/program.py", *map(str, arguments)])
        microgpt.main()
        return record

    monkeypatch.setattr(signal, "signal", lambda number, handler: record.update({number: handler}))
    monkeypatch.setattr(gc, "disable", lambda: record.update(collector="off"))
    return call


@pytest.fixture
def runs(monkeypatch):
    """The arguments with which main() calls run(), which does nothing here."""
    seen = []
    monkeypatch.setattr(microgpt, "run", lambda docs, config: seen.append((docs, config)))
    return seen


# Flags


def test_every_setting_is_a_flag_that_reaches_the_run(command, runs, docs_txt):
    """Each flag sets its own setting, and no setting is without a flag."""
    config = Config(
        n_embd=6,
        n_head=3,
        n_layer=2,
        block_size=5,
        init_std=0.375,
        learning_rate=0.25,
        beta1=0.625,
        beta2=0.75,
        eps_adam=0.125,
        num_steps=7,
        temperature=2.5,
        num_samples=9,
        seed=-8,
        prompt="a",
    )
    values, defaults = set(dataclasses.astuple(config)), set(dataclasses.astuple(Config()))
    assert len(values - defaults) == 14, "a flag that sets another setting might not be seen"
    settings = dataclasses.asdict(config)
    command(docs_txt, *(f"--{name.replace('_', '-')}={settings[name]}" for name in settings))
    assert runs == [(["anna", "bob", "cleo"], config)]


def test_the_input_is_input_txt_by_default(command, runs, monkeypatch, tmp_path):
    """It is looked for in the working directory. All settings are the defaults of Config."""
    (tmp_path / "input.txt").write_bytes(b"zoe\n")
    monkeypatch.chdir(tmp_path)
    command()
    assert runs == [(["zoe"], Config())]


def test_a_prompt_may_have_characters_of_any_document(command, runs, docs_txt):
    """a, b and c are in three different documents."""
    command(docs_txt, "--prompt=abc")
    assert [config.prompt for _, config in runs] == ["abc"]


def test_help_has_each_setting_with_its_text_and_its_default(command, capsys, monkeypatch):
    """All of them are there, and the exit status is 0."""
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
    """The line on stderr after argparse's usage. main() exits with 2 and prints nothing else."""

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
    "--n-head=3": ["n_head (3)", "divide", "n_embd (16)"],
    "--learning-rate=-1": ["learning_rate", "at least 0", "-1"],
    "--prompt=annaannaannaanna": ["prompt", "block_size", "16"],
    "--prompt=ab!": ["prompt", "'!'"],
    "--seed=x": ["--seed", "int", "'x'"],
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_setting_is_named_in_one_line(error_of, docs_txt, argument):
    """The line has the setting and what is wrong with its value."""
    message = error_of(docs_txt, argument)
    assert all(word in message for word in WRONG[argument]), message


UNREADABLE = {
    "missing": (None, "No such file or directory"),
    "Latin-1": (b"a\n\xeb\n", "'utf-8' codec can't decode"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_in_one_line(error_of, docs_txt, name):
    """The line has the path and the reason."""
    content, reason = UNREADABLE[name]
    docs_txt.unlink()
    if content is not None:
        docs_txt.write_bytes(content)
    message = error_of(docs_txt)
    assert message.startswith(f"cannot read {docs_txt}: ")
    assert reason in message


def test_a_file_without_documents_is_refused_in_one_line(error_of, docs_txt):
    """Blank lines alone are nothing to learn from."""
    docs_txt.write_bytes(b"\n \n")
    assert "no documents" in error_of(docs_txt)


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


@pytest.mark.parametrize("bug", [ValueError, OSError, UnicodeError, ArithmeticError])
def test_a_bug_shows_its_traceback(command, monkeypatch, docs_txt, bug):
    """An error of the program's own is not reported as the user's."""

    def rmsnorm(x):
        raise bug("a mistake in rmsnorm")

    monkeypatch.setattr(microgpt, "rmsnorm", rmsnorm)
    with pytest.raises(bug, match="a mistake in rmsnorm"):
        command(docs_txt)


# main() owns its process


def test_main_writes_utf8_and_newlines_on_any_stdout(command, docs_txt, monkeypatch):
    """Even if stdout was ASCII with CRLF."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\r\n")
    monkeypatch.setattr(sys, "stdout", stdout)
    docs_txt.write_bytes("é\n".encode())
    command(docs_txt, "--num-steps=0", "--num-samples=1", "--prompt=é")
    out = stdout.detach().getvalue()
    assert b"\r" not in out
    assert out.count(": é".encode()) == 1


def test_main_runs_on_a_system_without_sigpipe(command, runs, docs_txt, monkeypatch):
    """Windows has none."""
    monkeypatch.delattr(signal, "SIGPIPE", raising=False)
    record = command(docs_txt)
    assert len(runs) == 1
    assert set(record) <= {signal.SIGINT, "collector"}


@pytest.mark.parametrize("name, expected", [("cpython", "off"), ("pypy", None)])
def test_main_turns_the_collector_off_on_cpython_alone(
    command, runs, docs_txt, monkeypatch, name, expected
):
    """CPython frees a graph without it; PyPy needs it."""
    monkeypatch.setattr(sys.implementation, "name", name)
    assert command(docs_txt).get("collector") == expected


def test_main_prints_to_a_stdout_without_reconfigure(command, docs_txt, monkeypatch):
    """Such as StringIO, and those of IDLE and of notebooks."""
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    command(docs_txt, "--num-steps=1", "--num-samples=1")
    assert stdout.getvalue().startswith("num docs: 3\n")
    assert "\nsample  1: " in stdout.getvalue()


def test_main_runs_without_a_stdout(command, docs_txt, monkeypatch):
    """A stdout that was never open is None."""
    monkeypatch.setattr(sys, "stdout", None)
    command(docs_txt, "--num-steps=1", "--num-samples=1")
