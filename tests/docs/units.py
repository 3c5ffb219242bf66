"""The systemd units: what systemd says of them, and that they fit the
defaults."""

import pathlib
import re
import tempfile
import unittest

import project
from project import ROOT, program, run

UNITS = ROOT / "systemd"
SERVICE = UNITS / "strictmxd-resolve.service"
SOCKET = UNITS / "strictmxd-resolve.socket"

# By role: how much of it is exposed at the most, more when it faces the network.
EXPOSURE_MAX = {"resolve": 1.1, "collect": 0.3, "report": 1.1}
# Roles with sockets of their own, and the directive that opens them.
SOCKETS = {"resolve": "ListenStream", "collect": "ListenDatagram"}
STORES = {"resolve": "store", "collect": "reports", "report": "reports"}


def service(role):
    """Its unit."""
    return UNITS / f"strictmxd-{role}.service"


def values(path, name):
    """All values of a directive."""
    return re.findall(rf"(?m)^{name}=(.*)$", path.read_text(encoding="utf-8"))


class Units(unittest.TestCase):
    """systemd-analyze(1), without a running systemd."""

    def test_exposure(self):
        for role, limit in EXPOSURE_MAX.items():
            done = run("systemd-analyze", "security", "--offline=true", service(role))
            level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
            self.assertTrue(level, done.stderr)
            self.assertLessEqual(float(level[1]), limit, done.stdout)

    def test_verify(self):
        """No word of complaint. The program need not be installed for it."""
        with tempfile.TemporaryDirectory() as folder:
            installed = []
            for unit in sorted(UNITS.glob("strictmxd-*.*")):
                text = unit.read_text(encoding="utf-8")
                copy = pathlib.Path(folder) / unit.name
                copy.write_text(
                    text.replace(
                        "ExecStart=strictmxd ", f"ExecStart={program('strictmxd')} "
                    ),
                    encoding="utf-8",
                )
                installed.append(copy)
            self.assertEqual(len(installed), len(EXPOSURE_MAX) + len(SOCKETS))
            done = run("systemd-analyze", "verify", "--man=no", *installed)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_sockets_are_the_defaults(self):
        for role, directive in SOCKETS.items():
            unit = UNITS / f"strictmxd-{role}.socket"
            listen = [
                text.removeprefix("unix:") for text in project.default("listen", role)
            ]
            self.assertEqual(values(unit, directive), listen)
            for name, setting in (
                ("SocketMode", "socket_mode"),
                ("SocketGroup", "socket_group"),
            ):
                self.assertEqual(values(unit, name), [project.default(setting, role)])

    def test_the_store_can_be_written(self):
        for role, setting in STORES.items():
            (state,) = values(service(role), "StateDirectory")
            store = project.default(setting)
            self.assertTrue(store.startswith(f"sqlite:/var/lib/{state}/"), store)

    def test_who_shares_a_store_is_the_same_user(self):
        users = {role: values(service(role), "User") for role in STORES}
        self.assertEqual(users["collect"], users["report"])
        self.assertNotEqual(users["collect"], users["resolve"])

    def test_role_and_reload(self):
        for role in EXPOSURE_MAX:
            unit = service(role)
            self.assertEqual(values(unit, "ExecStart"), [f"strictmxd {role}"])
            self.assertEqual(values(unit, "ExecReload"), ["/bin/kill -HUP $MAINPID"])
            self.assertEqual(values(unit, "Type"), ["notify"])
            self.assertEqual(values(unit, "CapabilityBoundingSet"), [""])

    def test_they_are_called_by_their_names(self):
        """The manual page and the guides name what there is."""
        there = {path.name for path in UNITS.glob("strictmxd-*.*")}
        told = set()
        for path in (
            ROOT / "man/strictmxd.8",
            ROOT / "docs/postfix.md",
            ROOT / "docs/sending-reports.md",
        ):
            text = path.read_text(encoding="utf-8").replace("\\-", "-")
            told |= set(re.findall(r"strictmxd[\w-]*\.(?:service|socket)\b", text))
            short = set(re.findall(r"\bstrictmxd-[\w-]+", text))
            self.assertLessEqual(short, {name.partition(".")[0] for name in there})
        self.assertEqual(told, there)


if __name__ == "__main__":
    unittest.main()
