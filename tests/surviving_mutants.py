"""Which mutants survived, against surviving_mutants.txt.

    python tests/surviving_mutants.py SESSION.sqlite

Prints the counts and the survivors that surviving_mutants.txt does not explain, in its form. Ends
with 1 if there is one, or a mutant that was not run.
"""

import collections
import io
import json
import pathlib
import subprocess
import sys
import tokenize

EXPLAINED = pathlib.Path(__file__).resolve().parent / "surviving_mutants.txt"


def tokens_of(line):
    """The tokens of a line of code, without its comment."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER)
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            if token.type not in skipped and token.string.strip():
                found.append(token.string)
    except (tokenize.TokenError, IndentationError):
        pass  # a line that goes on in the next one
    return found


def change_in(diff):
    """What a diff of one line changes, with a token on either side: "a * b -> a / b"."""
    lines = [line for line in diff.splitlines() if line[:3] not in ("---", "+++")]
    old, new = (
        [token for line in lines if line[:1] == sign for token in tokens_of(line[1:])]
        for sign in "-+"
    )
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    first, after = max(0, start - 1), max(0, end - 1)
    return " -> ".join(" ".join(side[first : len(side) - after]) for side in (old, new))


def survivors_of(session):
    """(Counter of outcomes, ["file function: change"] of the survivors)."""
    command = ["cosmic-ray", "dump", session]
    dump = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    outcomes, survivors = collections.Counter(), []
    for item, result in map(json.loads, dump.splitlines()):
        outcome = result["test_outcome"] if result else "not run"
        outcomes[outcome] += 1
        if outcome == "survived":
            mutation = item["mutations"][0]
            where = f"{mutation['module_path']} {mutation.get('definition_name') or 'module'}"
            survivors.append(f"{where}: {change_in(result['diff'])}")
    return outcomes, survivors


def explained():
    """The first line of each pair of lines; the second is the reason."""
    lines = EXPLAINED.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and line[0] not in "# "}


def main():
    outcomes, survivors = survivors_of(sys.argv[1])
    total = sum(outcomes.values())
    killed = total - outcomes["survived"]
    print(f"{total} mutants: {dict(outcomes)}; {killed / total:.1%} did not survive")
    unexplained = sorted(set(survivors) - explained())
    for survivor in unexplained:
        print(survivor)
    if unexplained or outcomes["not run"]:
        sys.exit("mutants survived that surviving_mutants.txt does not explain, or were not run")


if __name__ == "__main__":
    main()
