"""Throttling and limits with boto3, on a node with quotas as they are in AWS."""

import time

import pytest
from botocore.exceptions import ClientError

from conftest import ACCOUNT, active, iterator, refused, running

SHARD = "shardId-000000000000"


@pytest.fixture(scope="module")
def client():
    with running("--shard-limit", "8") as node:
        yield node.client()


@pytest.fixture(scope="module")
def name(client):
    """A stream on which each test uses another shard: quotas are per shard."""
    client.create_stream(StreamName="quotas", ShardCount=4)
    active(client, "quotas")
    return "quotas"


def place(shard):
    return str(shard * 2**126)


def insist(client, call):
    """Calls again until it is not throttled, as SDKs do."""
    end = time.monotonic() + 20
    while True:
        try:
            return call()
        except client.exceptions.ProvisionedThroughputExceededException:
            assert time.monotonic() < end
            time.sleep(0.25)


def test_write_records(client, name):
    """1,000 records a second and shard: those above it are refused one by one."""
    entry = {"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": place(0)}
    failed = 0
    for _ in range(6):
        answer = client.put_records(StreamName=name, Records=[entry] * 500)
        bad = [r for r in answer["Records"] if "ErrorCode" in r]
        assert answer["FailedRecordCount"] == len(bad)
        for r in bad:
            assert r == {"ErrorCode": "ProvisionedThroughputExceededException",
                         "ErrorMessage": f"Rate exceeded for shard {SHARD} in stream {name} under account {ACCOUNT}."}
        failed += len(bad)
    assert failed > 0


def test_write_bytes(client, name):
    """1 MiB a second and shard; only larger records may draw on what was saved up."""
    message = f"Rate exceeded for shard shardId-000000000001 in stream {name} under account {ACCOUNT}."
    with refused("ProvisionedThroughputExceededException", message):
        for _ in range(30):
            client.put_record(StreamName=name, Data=bytes(1_000_000), PartitionKey="k", ExplicitHashKey=place(1))


def test_read_calls(client, name):
    """5 calls a second and shard."""
    token = iterator(client, name, "shardId-000000000002", "LATEST")
    with refused("ProvisionedThroughputExceededException") as caught:
        for _ in range(20):
            client.get_records(ShardIterator=token)
    assert caught.value.response["Error"]["Message"].startswith(f"Rate exceeded for Shard - {ACCOUNT}/{name}/shardId-000000000002")


def test_read_debt(client, name):
    """A large answer blocks the shard until it is paid off, at 2 MiB a second."""
    for _ in range(4):
        insist(client, lambda: client.put_record(StreamName=name, Data=bytes(1_000_000), PartitionKey="k", ExplicitHashKey=place(3)))
    token = iterator(client, name, "shardId-000000000003")
    assert len(client.get_records(ShardIterator=token)["Records"]) == 4
    begun = time.monotonic()
    with refused("ProvisionedThroughputExceededException"):
        client.get_records(ShardIterator=token, Limit=1)
    insist(client, lambda: client.get_records(ShardIterator=token, Limit=1))
    assert 1 < time.monotonic() - begun < 8


def test_control_plane(client, name):
    with pytest.raises(ClientError) as caught:
        for _ in range(50):
            client.describe_stream(StreamName=name)
    error = caught.value.response["Error"]
    assert error["Code"] == "LimitExceededException" and "Rate exceeded" in error["Message"]


def test_shard_limit(client, name):
    time.sleep(1)  # the rate of creations
    text = (f"This request would exceed the shard limit for the account {ACCOUNT} in us-east-1. Current shard count for the account: 4. "
            "Limit: 8. Number of additional shards that would have resulted from this request: {}. Refer to the AWS Service Limits page "
            "(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.")
    with refused("LimitExceededException", text.format(5)):
        client.create_stream(StreamName="too-many", ShardCount=5)


def test_retried(client, name):
    """What was refused is stored in the end when it is sent again."""
    entry = {"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": place(0)}
    left, attempts = [entry] * 700, 0
    while left:
        answer = client.put_records(StreamName=name, Records=left[:500])
        left = [e for e, r in zip(left[:500], answer["Records"]) if "ErrorCode" in r] + left[500:]
        attempts += 1
        assert attempts < 100
        time.sleep(0.2)
