"""An emulator: how it is started and ended, and what can be asked of it."""

import contextlib
import ctypes
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

# How long a server may take to start, what is run at its start included, and to end.
START_SECONDS = 120
STOP_SECONDS = 30
# How long an answer may take.
ANSWER_SECONDS = 60

_SAYS_READY = "Listening on "
# What is asked of this machine goes by no proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class CausewayError(Exception):
    """The server cannot be started or reached, or refuses what is asked of it."""

    status = None
    """The status of the answer that refuses, if there was one."""


class Server:
    """A Causeway emulator that runs."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def __repr__(self):
        return f"<Causeway at {self.url}>"

    def status(self):
        """What there is, and how the networks fare."""
        return self._json("GET", "/_causeway/status")

    def is_emulator(self):
        """Whether it is for tests: it takes everybody at their word, as other servers never do."""
        try:
            return self.status()["emulator"]
        except CausewayError as refused:
            if refused.status in (401, 403):
                return False
            raise

    def is_healthy(self):
        """Whether every part of the server does its work."""
        try:
            self._ask("GET", "/healthz")
        except CausewayError:
            return False
        return True

    def reset(self, account=None):
        """Removes everything, or what one account has."""
        query = "" if account is None else "?" + urllib.parse.urlencode({"account": account})
        self._json("POST", "/_causeway/reset" + query, {})

    def snapshot(self):
        """Everything that there is, for `load`."""
        return self._ask("GET", "/_causeway/snapshot")

    def load(self, snapshot):
        """Has everything be as it was when the snapshot was taken."""
        self._ask("PUT", "/_causeway/snapshot", snapshot)

    @contextlib.contextmanager
    def undone(self):
        """What is done inside is undone at the end."""
        before = self.snapshot()
        try:
            yield self
        finally:
            self.load(before)

    def now(self):
        """The time by the server's clock."""
        return _time(self.status()["time"])

    def advance(self, **span):
        """Moves the server's clock: `advance(days=7)`. It never goes back."""
        seconds = round(datetime.timedelta(**span).total_seconds())
        answer = self._json("POST", "/_causeway/clock", {"advance_seconds": seconds})
        return _time(answer["now"])

    def why(self, source, target, port=None, proto="tcp", **query):
        """Whether packets pass, and what decides at each step: `allowed`, and `hops`."""
        query = {"from": source, "to": target, "proto": proto, "port": port, **query}
        query = {name: value for name, value in query.items() if value is not None}
        return self._json("GET", "/_causeway/why?" + urllib.parse.urlencode(query))

    def environment(self, account, region=None):
        """The variables with which clients of AWS's APIs ask this server, as an account."""
        region = region or self.status()["region"]
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CAUSEWAY_URL": self.url,
        }

    def _json(self, method, path, body=None):
        content = None if body is None else json.dumps(body).encode()
        return json.loads(self._ask(method, path, content))

    def _ask(self, method, path, content=None):
        request = urllib.request.Request(self.url + path, content, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with _opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return answer.read()
        except urllib.error.HTTPError as refused:
            text = refused.read().decode(errors="replace")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                text = json.loads(text)["message"]
            error = CausewayError(f"{method} {path}: {refused.code}: {text}")
            error.status = refused.code
            raise error from None
        except OSError as error:
            raise CausewayError(f"no Causeway answers on {self.url}: {error}") from None


class Running(Server):
    """An emulator that was started here."""

    def __init__(self, url, process, log):
        super().__init__(url)
        self.process = process
        self.log = log

    def stop(self):
        """Ends the server with all that it made on this machine."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


def start(program=None, *, log, fabric="none", init=(), arguments=()):
    """Starts an emulator on a free port, and waits until it says that it is ready.

    `log` is a file for what it writes meanwhile, and `init` names files for `causeway serve --init`.
    """
    command = [
        _found(program),
        "serve",
        "--emulator",
        "--fabric",
        fabric,
        "--listen",
        "127.0.0.1:0",
        *(word for file in init for word in ("--init", os.fspath(file))),
        *arguments,
    ]
    # Another server's settings are not meant: it would take that one's data for its own.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAUSEWAY_")}
    if "CAUSEWAY_LOG" in os.environ:
        kept["CAUSEWAY_LOG"] = os.environ["CAUSEWAY_LOG"]
    log = pathlib.Path(log)
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            command,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=_end_with_us(),
        )
    # A server that never gets ready is ended, and with it the loop below.
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if line.startswith(_SAYS_READY):
                return Running(line[len(_SAYS_READY) :].strip(), process, log)
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()
    status = process.wait()
    process.stdout.close()
    said = log.read_text(errors="replace").strip()
    raise CausewayError(f"`{' '.join(command)}` ended with status {status}:\n{said}")


def _found(program):
    found = shutil.which(os.fspath(program or "causeway"))
    if found is None:
        raise CausewayError(
            f"there is no program {program or 'causeway'}: install Causeway, name its program with "
            "--causeway-program, or a server that runs with --causeway-url"
        )
    return found


def _end_with_us():
    """Has the server end with this process, even if that is killed."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, signal.SIGTERM)


def _time(text):
    # Python before 3.11 does not read the letter.
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
