"""The AWS CLI, version 1, through every operation. It sends blobs as they are
given and prints them in base64."""

import base64
import json
import subprocess
import sys

import pytest

from conftest import ACCOUNT, new_name


@pytest.fixture(scope="module")
def aws(node):
    def run(operation, *arguments, fails=None):
        command = [sys.executable, "-m", "awscli", "--endpoint-url", node.endpoint, "--region", "us-east-1", "--output", "json",
                   "kinesis", operation, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if fails:
            assert done.returncode != 0 and fails in done.stderr, done
            return None
        assert done.returncode == 0, done
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def shard(i):
    return f"shardId-{i:012}"


def test_every_operation(aws):
    name = new_name("cli")
    of = ("--stream-name", name)
    assert aws("create-stream", *of, "--shard-count", "2") is None
    aws("wait", "stream-exists", *of)
    described = aws("describe-stream", *of)["StreamDescription"]
    assert described["StreamStatus"] == "ACTIVE" and len(described["Shards"]) == 2
    assert aws("describe-stream-summary", *of)["StreamDescriptionSummary"]["OpenShardCount"] == 2
    assert name in aws("list-streams")["StreamNames"]
    assert name in aws("list-streams", "--page-size", "1")["StreamNames"]
    page = aws("list-shards", *of, "--max-items", "1")
    assert [s["ShardId"] for s in page["Shards"]] == [shard(0)]
    rest = aws("list-shards", *of, "--starting-token", page["NextToken"])
    assert [s["ShardId"] for s in rest["Shards"]] == [shard(1)]

    put = aws("put-record", *of, "--partition-key", "k", "--data", "text ä€", "--explicit-hash-key", "0")
    assert put["ShardId"] == shard(0)
    records = json.dumps([{"Data": "one", "PartitionKey": "k", "ExplicitHashKey": "0"}, {"Data": "two", "PartitionKey": "k"}])
    assert aws("put-records", *of, "--records", records)["FailedRecordCount"] == 0

    def datas(*arguments):
        token = aws("get-shard-iterator", *of, "--shard-id", shard(0), *arguments)["ShardIterator"]
        return [base64.b64decode(r["Data"]).decode() for r in aws("get-records", "--shard-iterator", token)["Records"]]

    assert datas("--shard-iterator-type", "TRIM_HORIZON")[:2] == ["text ä€", "one"]
    number = ("--starting-sequence-number", put["SequenceNumber"])
    assert datas("--shard-iterator-type", "AT_SEQUENCE_NUMBER", *number)[0] == "text ä€"
    assert datas("--shard-iterator-type", "AFTER_SEQUENCE_NUMBER", *number)[0] == "one"
    assert datas("--shard-iterator-type", "AT_TIMESTAMP", "--timestamp", "2020-01-01T00:00:00Z")[0] == "text ä€"
    assert datas("--shard-iterator-type", "LATEST") == []

    aws("increase-stream-retention-period", *of, "--retention-period-hours", "48")
    aws("wait", "stream-exists", *of)
    aws("decrease-stream-retention-period", *of, "--retention-period-hours", "24")
    aws("wait", "stream-exists", *of)
    aws("split-shard", *of, "--shard-to-split", shard(0), "--new-starting-hash-key", str(2**126))
    aws("wait", "stream-exists", *of)
    aws("merge-shards", *of, "--shard-to-merge", shard(2), "--adjacent-shard-to-merge", shard(3))
    aws("wait", "stream-exists", *of)
    scaled = aws("update-shard-count", *of, "--target-shard-count", "1", "--scaling-type", "UNIFORM_SCALING")
    assert (scaled["CurrentShardCount"], scaled["TargetShardCount"]) == (2, 1)
    aws("wait", "stream-exists", *of)
    latest = aws("list-shards", *of, "--shard-filter", "Type=AT_LATEST")["Shards"]
    assert len(latest) == 1 and latest[0]["AdjacentParentShardId"]
    assert aws("delete-stream", *of) is None
    aws("wait", "stream-not-exists", *of)


def test_errors(aws):
    aws("describe-stream", "--stream-name", "missing", fails="An error occurred (ResourceNotFoundException) when calling the DescribeStream "
        f"operation: Stream missing under account {ACCOUNT} not found.")
    aws("get-records", "--shard-iterator", "nonsense", fails="(InvalidArgumentException) when calling the GetRecords operation: Invalid ShardIterator.")
    aws("create-stream", "--stream-name", "no spaces", fails="(ValidationException)")
    aws("list-tags-for-stream", "--stream-name", "missing", fails="(UnknownOperationException)")
