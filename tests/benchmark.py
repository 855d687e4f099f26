"""How fast it is: python tests/benchmark.py [INPUT] [--against COMMAND]... [--rounds N]

Runs microgpt.py and each COMMAND in turn, in a folder where INPUT is input.txt, for several rounds:

    python tests/benchmark.py names.txt --against "node --experimental-default-type=module PATH/microgpt.js"

No time is believed before the outputs agree, line ends apart. Times are medians over the rounds, ratios are formed
within a round, and the smallest and largest stand behind them. Then: time a step, peak memory, growth with the model.
"""

import argparse
import gc
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import microgpt  # noqa: E402

clock = time.perf_counter

def run_program(command, cwd):
    """(stdout, seconds to the end, seconds to the first step line, peak memory in MiB) of a process."""
    start, first, chunks = clock(), None, []
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE)
    for chunk in iter(lambda: os.read(process.stdout.fileno(), 1 << 16), b""):
        chunks.append(chunk)
        first = first or (clock() - start if b"step" in chunk else None)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = clock() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"benchmark: {shlex.join(command)} ended with status {process.returncode}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return b"".join(chunks), seconds, first or seconds, usage.ru_maxrss / unit

def lines_of(stdout):
    """What was printed, whatever ends a line."""
    return re.sub(rb"[\r\n]+", b"\n", stdout).strip()

def worker(path, steps, settings):
    """Seconds of each of some training steps, in this process, with the collector as the command has it."""
    if sys.implementation.name == "cpython":
        gc.disable()
    config = microgpt.Config(**settings)
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(path)
    microgpt.random.shuffle(docs)
    tokenizer = microgpt.Tokenizer(docs)
    training = microgpt.train(docs, tokenizer, microgpt.init_state_dict(config, tokenizer.vocab_size), config)
    times = []
    for _ in range(steps):
        start = clock()
        next(training)
        times.append(clock() - start)
    print(json.dumps(times))

def ms_a_step(path, steps, **settings):
    command = [sys.executable, __file__, "--worker", str(path), str(steps), json.dumps(settings)]
    times = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return statistics.mean(times) * 1e3

def spread(numbers):
    middle, low, high = (f"{f(numbers):.2f}" for f in (statistics.median, min, max))
    return f"{middle} ({low} to {high})"

def table(*rows):
    """A Markdown table; the first row is its head."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    print()
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |", flush=True)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", nargs="?", default=str(ROOT / "input.txt"), help="the documents (default: input.txt)")
    parser.add_argument("--against", metavar="COMMAND", action="append", default=[], help="a program to run beside it")
    parser.add_argument("--rounds", type=int, default=5, help="how often each program runs (default: 5)")
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.input).resolve()
    commands = {"microgpt.py": [sys.executable, str(ROOT / "microgpt.py")]}
    for command in arguments.against:  # its paths are relative to where the benchmark was started
        words = [str(pathlib.Path(w).resolve()) if os.path.isfile(w) else w for w in shlex.split(command)]
        commands[command] = words
    print(f"{platform.python_implementation()} {platform.python_version()}, {path.name}, {arguments.rounds} rounds")
    runs = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, pathlib.Path(folder, "input.txt"))
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                runs[name].append(run_program(command, folder))
                if lines_of(runs[name][-1][0]) != lines_of(runs["microgpt.py"][0][0]):
                    sys.exit(f"benchmark: {name} prints something else")
        ours = [seconds for _, seconds, _, _ in runs["microgpt.py"]]
        rows = [("program", "whole run, s", "ratio to microgpt.py", "first step line, s", "peak memory, MiB")]
        for name, results in runs.items():
            _, seconds, first, memory = zip(*results)
            rows.append((name, spread(seconds), spread([a / b for a, b in zip(seconds, ours)]), spread(first),
                         spread(memory)))  # fmt: skip
        table(*rows)
        rows = [("steps", "peak memory, MiB")]
        for steps in (100, 5000):
            small = [*commands["microgpt.py"], "--n-embd", "8", "--num-steps", str(steps)]
            rows.append((f"{steps} at n_embd 8", f"{run_program(small, folder)[3]:.1f}"))
        table(*rows)
    rows = [("n_embd", "n_layer", "ms a step")]
    for n_embd, n_layer in ((8, 1), (16, 1), (32, 1), (64, 1), (16, 2), (16, 4), (16, 8)):
        rows.append((n_embd, n_layer, f"{ms_a_step(path, 100, n_embd=n_embd, n_layer=n_layer):.1f}"))
    table(*rows)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))
    else:
        main()
