"""A node for the tests, clients for it, and what most tests need."""

import contextlib
import itertools
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
MAX_HASH = 2**128 - 1


class Node:
    """A runnel process with a data directory of its own."""

    def __init__(self, directory, *flags):
        self.directory = directory
        self.flags = flags
        self.log = open(os.path.join(directory, "log"), "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.environ["RUNNEL"], "dev", "--data-dir", os.path.join(self.directory, "data"),
             "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", *self.flags],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        lines = queue.Queue()
        threading.Thread(target=self._drain, args=(self.process.stdout, lines), daemon=True).start()
        self.endpoint = None
        deadline = time.monotonic() + 60
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.process.kill()
                raise RuntimeError(f"node is not ready, see {self.log.name}") from None
            if line is None:
                raise RuntimeError(f"node ended with {self.process.wait()}:\n{open(self.log.name).read()}")
            if found := re.search(r"http://[0-9.:]+", line):
                self.endpoint = self.endpoint or found.group()  # AWS comes first
            if line.startswith("ready"):
                return

    @staticmethod
    def _drain(pipe, lines):
        for line in pipe:
            lines.put(line)
        lines.put(None)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.log.close()
        assert code == 0, f"node ended with {code}: {open(self.log.name).read()}"

    def client(self, **config):
        """A client that tries once and checks nothing, so that each error is the node's."""
        config.setdefault("retries", {"total_max_attempts": 1})
        config.setdefault("parameter_validation", False)
        return boto3.session.Session().client(
            "kinesis", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="any", config=Config(**config))


@contextlib.contextmanager
def running(*flags):
    with tempfile.TemporaryDirectory(prefix="runnel-clients-") as directory:
        node = Node(directory, *flags)
        try:
            yield node
        finally:
            node.stop()


@pytest.fixture(scope="session")
def node():
    """A node without quotas, on which each state of a stream lasts a moment."""
    with running("--quotas", "off", "--lifecycle-delay", "300ms") as n:
        yield n


@pytest.fixture(scope="session")
def kinesis(node):
    return node.client()


_serial = itertools.count()


def new_name(prefix="s"):
    return f"{prefix}-{next(_serial)}"


@pytest.fixture
def stream(kinesis):
    """Makes ACTIVE streams that are deleted after the test."""
    made = []

    def make(shards=1):
        name = new_name()
        kinesis.create_stream(StreamName=name, ShardCount=shards)
        made.append(name)
        active(kinesis, name)
        return name

    yield make
    for name in made:
        with contextlib.suppress(kinesis.exceptions.ResourceNotFoundException, kinesis.exceptions.ResourceInUseException):
            kinesis.delete_stream(StreamName=name)


def until(what, *, timeout=30):
    """Polls what() until it is true, and returns that."""
    deadline = time.monotonic() + timeout
    while not (result := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.02)
    return result


def next_second():
    """Waits until the clock shows another second: boto3 sends times without fractions."""
    begun = int(time.time())
    until(lambda: int(time.time()) > begun)


def active(client, name):
    def is_active():
        summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return summary if summary["StreamStatus"] == "ACTIVE" else None

    return until(is_active)


def shards_of(client, name, **more):
    return client.list_shards(StreamName=name, **more)["Shards"]


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def ranges(shards):
    return sorted((int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in shards)


def tiles(shards):
    """Whether shards cover the whole hash space without gap or overlap."""
    at = 0
    for start, end in ranges(shards):
        if start != at:
            return False
        at = end + 1
    return at == MAX_HASH + 1


def iterator(client, name, shard="shardId-000000000000", kind="TRIM_HORIZON", **more):
    return client.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]


def read(client, name, shard="shardId-000000000000", kind="TRIM_HORIZON", **more):
    """Reads until the reader has caught up, or the shard ends."""
    records, token = [], iterator(client, name, shard, kind, **more)
    while token:
        answer = client.get_records(ShardIterator=token)
        records += answer["Records"]
        token = answer.get("NextShardIterator")
        if answer["MillisBehindLatest"] == 0:
            break
    return records


@contextlib.contextmanager
def refused(code, message=None):
    """Expects an error with this code and, if given, exactly this message."""
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    if message is not None:
        assert error["Message"] == message
