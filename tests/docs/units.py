"""The systemd units: what systemd says of them, and that they fit the
defaults."""

import pathlib
import re
import shutil
import tempfile
import unittest

import project
from project import ROOT, program, run

SERVICE = ROOT / "systemd/strictmxd-resolve.service"
SOCKET = ROOT / "systemd/strictmxd-resolve.socket"

# A role that faces the network.
EXPOSURE_MAX = 1.1


def values(path, name):
    """All values of a directive."""
    return re.findall(rf"(?m)^{name}=(.*)$", path.read_text(encoding="utf-8"))


class Units(unittest.TestCase):
    """systemd-analyze(1), without a running systemd."""

    def test_exposure(self):
        done = run("systemd-analyze", "security", "--offline=true", SERVICE)
        level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertTrue(level, done.stderr)
        self.assertLessEqual(float(level[1]), EXPOSURE_MAX, done.stdout)

    def test_verify(self):
        """No word of complaint. The program need not be installed for it."""
        with tempfile.TemporaryDirectory() as folder:
            text = SERVICE.read_text(encoding="utf-8")
            installed = text.replace(
                "ExecStart=strictmxd ", f"ExecStart={program('strictmxd')} "
            )
            self.assertNotEqual(text, installed)
            service = pathlib.Path(folder) / SERVICE.name
            service.write_text(installed, encoding="utf-8")
            shutil.copy(SOCKET, folder)
            done = run(
                "systemd-analyze", "verify", "--man=no", service,
                pathlib.Path(folder) / SOCKET.name,
            )
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_sockets_are_the_defaults(self):
        listen = [text.removeprefix("unix:") for text in project.default("listen")]
        self.assertEqual(values(SOCKET, "ListenStream"), listen)
        for directive, setting in (
            ("SocketMode", "socket_mode"),
            ("SocketGroup", "socket_group"),
        ):
            self.assertEqual(values(SOCKET, directive), [project.default(setting)])

    def test_the_store_can_be_written(self):
        (state,) = values(SERVICE, "StateDirectory")
        store = project.default("store")
        self.assertTrue(store.startswith(f"sqlite:/var/lib/{state}/"), store)

    def test_role_and_reload(self):
        self.assertEqual(values(SERVICE, "ExecStart"), ["strictmxd resolve"])
        self.assertEqual(values(SERVICE, "ExecReload"), ["/bin/kill -HUP $MAINPID"])
        self.assertEqual(values(SERVICE, "Type"), ["notify"])
        self.assertEqual(values(SERVICE, "CapabilityBoundingSet"), [""])

    def test_they_are_called_by_their_names(self):
        """strictmxd(8) and docs/postfix.md name both, and no others."""
        for path in (ROOT / "man/strictmxd.8", ROOT / "docs/postfix.md"):
            text = path.read_text(encoding="utf-8").replace("\\-", "-")
            named = set(re.findall(r"strictmxd[\w-]*\.(?:service|socket)\b", text))
            self.assertEqual(named, {SERVICE.name, SOCKET.name}, path.name)
            short = set(re.findall(r"\bstrictmxd-[\w-]+", text))
            self.assertEqual(short, {SERVICE.stem}, path.name)


if __name__ == "__main__":
    unittest.main()
