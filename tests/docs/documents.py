"""README.md and docs/: lines of main.cf that Postfix knows, maps and addresses
that strictmxd has, and links that lead somewhere."""

import os
import pathlib
import re
import tempfile
import unittest

import project
from project import ROOT, run

# The plain form has every other name; these are the ones we speak of.
PLAIN_MAPS = {"strictmx-plain", "QUERY", "postfix"}

# Parameters that a Postfix before this version does not know.
NEWER = {
    "smtp_tls_enforce_sts_mx_patterns": (3, 10, 5),
    "smtp_tlsrpt_enable": (3, 10),
    "smtp_tlsrpt_socket_name": (3, 10),
}

QUEUE = "/var/spool/postfix/"

SOCKETMAP = re.compile(r"socketmap:((?:inet:[^:\s]+:\d+|unix:[^:\s]+)):([\w…-]+)")


def documents():
    """All files that tell how to set up a mail server."""
    return [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "man").glob("*.[158]")),
    ]


def main_cf_blocks(text):
    """The fenced blocks marked as main.cf; they may stand in a list."""
    for match in re.finditer(r"(?ms)^( *)```main\.cf\n(.*?)^ *```$", text):
        yield re.sub(rf"(?m)^{match[1]}", "", match[2])


class MainCf(unittest.TestCase):
    """What an administrator copies."""

    def test_maps_exist(self):
        source = (ROOT / "src/core/socketmap.c").read_text(encoding="utf-8")
        body = source.partition("smx_socketmap_parse_request")[2].partition("\n}")[0]
        tlsrpt_maps = set(re.findall(r'SMX_SLICE\("(\w+)"\)', body))
        self.assertIn("strictmx", tlsrpt_maps)
        for path in documents():
            text = path.read_text(encoding="utf-8").replace("\\-", "-")
            for _, name in SOCKETMAP.findall(text):
                known = tlsrpt_maps | PLAIN_MAPS | {"…"}
                self.assertIn(name, known, f"{path.name}: {name}")

    def test_every_map_is_told(self):
        """Both files have both maps of ours."""
        for name in ("README.md", "docs/postfix.md"):
            text = (ROOT / name).read_text(encoding="utf-8")
            maps = {found for _, found in SOCKETMAP.findall(text)}
            self.assertLessEqual({"strictmx", "strictmx-plain"}, maps, name)

    def test_addresses_are_the_defaults(self):
        known = set()
        for address in project.default("listen"):
            if address.startswith("unix:"):
                path = address.removeprefix("unix:")
                self.assertTrue(path.startswith(QUEUE), path)
                known.add("unix:" + path.removeprefix(QUEUE))
            else:
                known.add(f"inet:{address}")
        for path in documents():
            for address, _ in SOCKETMAP.findall(path.read_text(encoding="utf-8")):
                self.assertIn(address, known, path.name)

    def test_postfix_knows_the_parameters(self):
        version = run("postconf", "-dh", "mail_version").stdout.strip()
        version = tuple(int(n) for n in re.findall(r"\d+", version)[:3])
        seen = 0
        for path in documents():
            for block in main_cf_blocks(path.read_text(encoding="utf-8")):
                seen += 1
                with self.subTest(path.name, block=block):
                    self.check_block(block, version)
        self.assertGreater(seen, 5)

    def check_block(self, block, version):
        """Postfix reads the block and has every parameter in it."""
        with tempfile.TemporaryDirectory() as folder:
            main_cf = pathlib.Path(folder) / "main.cf"
            # With a name of its own it does not look for one in DNS.
            main_cf.write_text(f"myhostname = mail.example.com\n{block}", "utf-8")
            # Postfix waits until the file is some seconds old.
            os.utime(main_cf, (0, 0))
            (pathlib.Path(folder) / "master.cf").touch()
            done = run("postconf", "-c", folder, "-n")
        shown = dict(re.findall(r"(?m)^(\w+) = (.*)$", done.stdout))
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in block.splitlines():
            match = re.fullmatch(r"(\w+) = (\S.*)", line)
            self.assertTrue(match, line)
            if version < NEWER.get(match[1], (0,)):
                continue
            self.assertEqual(shown.get(match[1]), match[2])
            self.assertNotIn(f"unused parameter: {match[1]}", done.stderr)


class Links(unittest.TestCase):
    """Links within the project."""

    def test_they_lead_somewhere(self):
        for path in documents():
            if path.suffix != ".md":
                continue
            text = path.read_text(encoding="utf-8")
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if "://" in target:
                    continue
                name, _, anchor = target.partition("#")
                file = path.parent / name if name else path
                self.assertTrue(file.exists(), f"{path.name}: {target}")
                if anchor:
                    self.assertIn(anchor, anchors(file), f"{path.name}: {target}")

    def test_every_heading_is_in_the_contents(self):
        """Both guides begin with a list of their headings."""
        for name in ("check.md", "postfix.md"):
            text = (ROOT / "docs" / name).read_text(encoding="utf-8")
            listed = re.findall(r"(?m)^\* \[(.*?)\]\(#", text)
            self.assertEqual(listed, re.findall(r"(?m)^## (.*)$", text), name)


def anchors(path):
    """The anchors that a forge makes of the headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


if __name__ == "__main__":
    unittest.main()
