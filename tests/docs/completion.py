"""bash completion offers what --help has, and nothing else."""

import re
import unittest

import project
from project import ROOT, Help, program, run

SCRIPT = ROOT / "completion/strictmx.bash"

COMPLETE = """
source "$1" || exit 1
function=$2
shift 2
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
$function
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offers(line):
    """What is offered when TAB is pressed at the end of a line."""
    # bash cuts at "=" too.
    words = [word for word in re.split(r"(=)|\s+", line) if word]
    if line.endswith((" ", "=")):
        words.append("")
    if line.endswith("="):
        words.pop()
    done = run("bash", "-c", COMPLETE, "bash", SCRIPT, f"_{words[0]}", *words)
    if done.returncode != 0 or done.stderr:
        raise RuntimeError(f"{line}: {done.stderr}")
    return set(done.stdout.split())


def names(offered):
    """Options without the "=" for their value."""
    return {word.rstrip("=") for word in offered}


class Completion(unittest.TestCase):
    """strictmx.bash"""

    def test_subcommands(self):
        words = {word for word in offers("strictmx ") if word[0] != "-"}
        self.assertEqual(words, set(project.subcommands()))

    def test_options(self):
        shown = Help(program("strictmx"))
        self.assertEqual(
            names(offers("strictmx -")), shown.long_options | {"--version"}
        )
        for name in project.subcommands():
            with self.subTest(name):
                shown = Help(program("strictmx"), name)
                offered = names(offers(f"strictmx {name} -"))
                self.assertEqual(offered, shown.long_options)
        shown = Help(program("strictmxd"))
        self.assertEqual(names(offers("strictmxd -")), shown.long_options)

    def test_options_with_values(self):
        """Those that take one end with "=", the others don't."""
        for name in project.subcommands():
            shown = Help(program("strictmx"), name)
            offered = {w[:-1] for w in offers(f"strictmx {name} -") if w[-1] == "="}
            self.assertEqual(offered, shown.long_options_with_value, name)

    def test_values(self):
        for line, expected in (
            (
                "strictmx inspect --type=",
                {"record", "policy", "tlsrpt-record", "report", "datagram"},
            ),
            ("strictmx inspect --type=rec", {"record"}),
            (
                "strictmx inspect -t ",
                {"record", "policy", "tlsrpt-record", "report", "datagram"},
            ),
            ("strictmx query --map=", {"strictmx", "strictmx-plain"}),
            ("strictmx query -m ", {"strictmx", "strictmx-plain"}),
            ("strictmx inspect -m ", set()),
            ("strictmx cache ", {"export", "import"}),
            ("strictmx -c x cache i", {"import"}),
            ("strictmx --config=x cache ", {"export", "import"}),
            ("strictmx config ", {"check", "show"}),
            ("strictmx config show ", set()),
            ("strictmx check --colour=", {"auto", "always", "never"}),
            ("strictmx check --color=a", {"auto", "always"}),
            # "-j" has a value here, and none in query.
            ("strictmx check -j ", set()),
            ("strictmx check ", set()),
            ("strictmx check --no-smtp --res", {"--resolver=", "--resume"}),
            ("strictmx -c x check -j 5 --cs", {"--csv"}),
            ("strictmx query -j --s", {"--server="}),
            ("strictmx report ", {"list", "show", "export", "preview", "send"}),
            ("strictmx report list --w", {"--waiting"}),
            ("strictmx report --day=2026-01-31 l", {"list"}),
            ("strictmx report -d 2026-01-31 show ", set()),
            ("strictmxd r", {"resolve", "report"}),
        ):
            self.assertEqual(offers(line), expected, line)

    def test_files(self):
        for line in (
            "strictmx inspect ",
            "strictmx cache export ",
            "strictmx --config=",
            "strictmx config -c ",
            "strictmx check --file=",
            "strictmx check -o ",
            "strictmx report export --output=",
            "strictmx check --json --baseline=",
            "strictmxd -c ",
        ):
            offered = offers(line + str(SCRIPT)[:-1])
            self.assertIn(str(SCRIPT), offered, line)


if __name__ == "__main__":
    unittest.main()
