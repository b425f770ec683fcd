"""Real servers for every test. One PostgreSQL cluster a worker; for every test (or module) a database copied from a migrated template, a broker and an otad."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.postgres import Cluster  # noqa: E402
from harness.service import PROGRAM  # noqa: E402
from harness.site import Site, make_template  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "config(**settings): configuration of the otad of this test or module")
    config.addinivalue_line("markers", "thread_leg: also run under the thread sanitizer")


def pytest_sessionstart(session):
    if not PROGRAM.exists():
        raise pytest.UsageError(f"{PROGRAM} is not built; run tests/run")


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.destroy()


@pytest.fixture(scope="session")
def template(cluster, tmp_path_factory):
    return make_template(cluster, tmp_path_factory.mktemp("template") / "otad")


def settings_of(request):
    settings = {}
    for mark in request.node.iter_markers("config"):
        settings = {**mark.kwargs, **settings}
    return settings


@pytest.fixture
def site(request, cluster, template, tmp_path):
    """An installation for this test alone."""
    site = Site(cluster, *template, tmp_path, settings_of(request))
    yield site
    site.close()


@pytest.fixture(scope="module")
def shared(request, cluster, template, tmp_path_factory):
    """One installation for all the tests of a file that leave it as they found it."""
    site = Site(cluster, *template, tmp_path_factory.mktemp("shared"), settings_of(request))
    yield site
    site.close()


@pytest.fixture
def small_disk(request):
    """small_disk(directory, size): mounts a file system of that size over it, until the test ends. Root only."""

    def mount(directory, size, owner="root"):
        user = pwd.getpwnam(owner)
        options = f"size={size},mode=0700,uid={user.pw_uid},gid={user.pw_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)
        request.addfinalizer(lambda: subprocess.run(["umount", "--lazy", str(directory)], check=True))

    return mount


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the service's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name in ("site", "shared"):
            site = getattr(item, "funcargs", {}).get(name)
            if site is not None:
                report.sections.append(("otad's log", site.otad.process.tail(int(os.environ.get("OTAD_TEST_LOG", "40")))))
