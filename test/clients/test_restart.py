"""What outlives a node that is killed, with boto3."""

import pytest

from conftest import active, iterator, read, running, shards_of


@pytest.fixture
def node():
    with running("--quotas", "off") as n:
        yield n


def test_kill(node):
    client = node.client()
    client.create_stream(StreamName="kept", ShardCount=2)
    active(client, "kept")
    client.increase_stream_retention_period(StreamName="kept", RetentionPeriodHours=48)
    active(client, "kept")
    stored = [client.put_record(StreamName="kept", Data=b"%d" % i, PartitionKey="k", ExplicitHashKey="0") for i in range(100)]
    token = iterator(client, "kept")
    page = client.list_shards(StreamName="kept", MaxResults=1)["NextToken"]
    shards = shards_of(client, "kept")

    node.kill()
    node.start()

    client = node.client()
    summary = active(client, "kept")
    assert (summary["RetentionPeriodHours"], summary["OpenShardCount"]) == (48, 2)
    assert shards_of(client, "kept") == shards
    records = client.get_records(ShardIterator=token)["Records"]  # tokens outlive it too
    assert [r["Data"] for r in records] == [b"%d" % i for i in range(100)]
    assert [r["SequenceNumber"] for r in records] == [s["SequenceNumber"] for s in stored]
    assert len(client.list_shards(NextToken=page)["Shards"]) == 1
    more = client.put_record(StreamName="kept", Data=b"more", PartitionKey="k", ExplicitHashKey="0")
    assert int(more["SequenceNumber"]) > int(stored[-1]["SequenceNumber"])
    assert len(read(client, "kept")) == 101
