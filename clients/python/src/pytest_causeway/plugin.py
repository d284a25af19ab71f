"""The fixtures.

Each process that runs tests has a server of its own: the controller of a plain run, and each worker of
pytest-xdist. A server is up in a fraction of a second, and so spaces, the clock and snapshots, which belong
to the whole server, are nobody else's. With `--causeway-url` all share the server there, and keep apart
by their accounts.
"""

import os

import pytest

from . import account as accounts
from . import server as servers

_URL = "PYTEST_CAUSEWAY_URL"


def pytest_addoption(parser):
    """The options, and their defaults in the settings of a project."""
    group = parser.getgroup("causeway", "Causeway, an emulator of EC2's networks and Private Spaces")
    group.addoption(
        "--causeway-url",
        metavar="URL",
        help=f"use the emulator that runs there, and start none [env: {_URL}]",
    )
    group.addoption("--causeway-program", metavar="FILE", help="the program; by default `causeway`")
    group.addoption(
        "--causeway-fabric",
        choices=["none", "linux"],
        help="whether real packets flow, for which tests run as root; by default none",
    )
    parser.addini("causeway_program", "the program of Causeway")
    parser.addini("causeway_fabric", "none, or linux for real packets", default="none")
    parser.addini("causeway_init", "files that each server runs at its start", type="paths")
    parser.addini("causeway_arguments", "more arguments of `causeway serve`", type="args")


def _shared_url(config):
    return config.getoption("--causeway-url") or os.environ.get(_URL)


def _connected(url):
    server = servers.Server(url)
    if not server.is_emulator():
        raise servers.CausewayError(
            f"{url} is no emulator: tests are not for a server that somebody needs"
        )
    return server


@pytest.fixture(scope="session")
def causeway_server(request, tmp_path_factory):
    """An emulator: `url`, `why`, `advance`, `reset`, `snapshot` and `load`."""
    config = request.config
    url = _shared_url(config)
    if url:
        yield _connected(url)
        return
    server = servers.start(
        config.getoption("--causeway-program") or config.getini("causeway_program") or None,
        log=tmp_path_factory.mktemp("causeway") / "server.log",
        fabric=config.getoption("--causeway-fabric") or config.getini("causeway_fabric"),
        init=config.getini("causeway_init"),
        arguments=config.getini("causeway_arguments"),
    )
    yield server
    server.stop()


@pytest.fixture
def causeway_account(causeway_server):
    """An account of this test's own, with nothing but its default VPCs. What it has goes afterwards."""
    account = accounts.Account(causeway_server)
    yield account
    account.reset()


@pytest.fixture(scope="session")
def causeway_worker_account(causeway_server):
    """An account that all tests of a worker share."""
    account = accounts.Account(causeway_server)
    yield account
    account.reset()


@pytest.fixture
def causeway_boto3(causeway_account):
    """Makes clients of boto3 for the test's account: `causeway_boto3("ec2", region="eu-west-1")`."""
    return causeway_account.boto3


@pytest.fixture
def causeway_env(causeway_account, monkeypatch):
    """Has every client of AWS's APIs that the test makes ask as the test's account."""
    variables = causeway_account.environment()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def causeway_why(causeway_server):
    """Asks what a packet meets: `causeway_why("i-1", "i-2", 443)["allowed"]`."""
    return causeway_server.why


class Clock:
    """The server's clock."""

    def __init__(self, server):
        self._server = server

    def now(self):
        """The time."""
        return self._server.now()

    def advance(self, **span):
        """Moves the clock ahead, as by `advance(days=7)`, and gives the time."""
        return self._server.advance(**span)


@pytest.fixture
def causeway_clock(request, causeway_server):
    """The server's clock, which can be moved ahead. All tests of one server have it in common."""
    _alone(request, "whose clock a test would move")
    return Clock(causeway_server)


@pytest.fixture
def causeway_snapshot(request, causeway_server):
    """The server; whatever the test does there, to spaces and apps too, is undone afterwards."""
    _alone(request, "of which a test would undo what others do")
    with causeway_server.undone():
        yield causeway_server


@pytest.fixture
def causeway_empty(request, causeway_server):
    """The server, with nothing in it, before the test and after it."""
    _alone(request, "which a test would empty")
    causeway_server.reset()
    yield causeway_server
    causeway_server.reset()


def _alone(request, what):
    """Refuses what is about a whole server where several workers share it."""
    if _shared_url(request.config) and hasattr(request.config, "workerinput"):
        raise servers.CausewayError(
            f"the workers of this run share the server of --causeway-url, {what}: run these tests "
            "without -n, or without --causeway-url"
        )
