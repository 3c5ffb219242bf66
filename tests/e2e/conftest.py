"""One world for the whole run; every test module adds what it needs."""

import signal
import sys

import pytest

sys.dont_write_bytecode = True

import world as world_module  # noqa: E402


def pytest_configure(config):
    """A terminated run takes its world down too."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", 143))


@pytest.fixture(scope="session")
def world():
    """The small internet, with strictmxd up."""
    with world_module.World() as raised:
        yield raised
        status = raised.strictmxd.stop()
        assert status == 0, raised.strictmxd.log()


@pytest.fixture(autouse=True)
def strictmxd_lives(request):
    """No test may end the world's strictmxd, or make a sanitizer speak."""
    yield
    if "world" in request.fixturenames:
        request.getfixturevalue("world").strictmxd.check_healthy()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show the daemon's last words under a failed test."""
    outcome = yield
    report = outcome.get_result()
    raised = item.funcargs.get("world") if hasattr(item, "funcargs") else None
    if report.failed and raised is not None:
        log = raised.strictmxd.log()[-3000:]
        report.sections.append(("log of the world's strictmxd", log))
