"""A Causeway emulator for tests: EC2's networks and Heroku's Private Spaces, offline."""

from .account import Account
from .server import CausewayError, Running, Server, start

__all__ = ["Account", "CausewayError", "Running", "Server", "start"]
