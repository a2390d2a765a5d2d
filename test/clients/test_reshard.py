"""Splits, merges, and how readers get over them, with boto3."""

import datetime

import pytest

from conftest import ACCOUNT, active, is_open, iterator, next_second, ranges, read, refused, shards_of, tiles

MIDDLE = 2**127


def shard(i):
    return f"shardId-{i:012}"


def by_id(shards):
    return {s["ShardId"]: s for s in shards}


def test_split(kinesis, stream):
    name = stream()
    before = kinesis.put_record(StreamName=name, Data=b"before", PartitionKey="k", ExplicitHashKey="0")
    kinesis.split_shard(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey=str(MIDDLE))
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} not ACTIVE, instead in state UPDATING"):
        kinesis.split_shard(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey=str(MIDDLE))
    during = kinesis.put_record(StreamName=name, Data=b"during", PartitionKey="k", ExplicitHashKey="0")
    active(kinesis, name)
    after = kinesis.put_record(StreamName=name, Data=b"after", PartitionKey="k", ExplicitHashKey="0")

    shards = by_id(shards_of(kinesis, name))
    parent, lower, upper = (shards[shard(i)] for i in range(3))
    assert not is_open(parent) and is_open(lower) and is_open(upper)
    assert ranges([lower, upper]) == [(0, MIDDLE - 1), (MIDDLE, 2**128 - 1)]
    assert lower["ParentShardId"] == upper["ParentShardId"] == shard(0) and "AdjacentParentShardId" not in lower
    assert after["ShardId"] == shard(1)
    numbers = [int(r["SequenceNumber"]) for r in (before, during, after)]
    assert numbers == sorted(numbers)
    end = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    assert int(before["SequenceNumber"]) < end < int(lower["SequenceNumberRange"]["StartingSequenceNumber"])
    assert active(kinesis, name)["OpenShardCount"] == 2

    answer = kinesis.get_records(ShardIterator=iterator(kinesis, name, shard(0)))
    assert [r["Data"] for r in answer["Records"]][:1] == [b"before"]
    assert "NextShardIterator" not in answer
    assert answer["ChildShards"] == [
        {"ShardId": s["ShardId"], "ParentShards": [shard(0)], "HashKeyRange": s["HashKeyRange"]} for s in (lower, upper)]
    # A closed shard read in parts ends only with the last.
    part = kinesis.get_records(ShardIterator=iterator(kinesis, name, shard(0)), Limit=1)
    if len(answer["Records"]) > 1:
        assert part["NextShardIterator"] and "ChildShards" not in part
    # LATEST of a closed shard is its end: how a client asks for the children.
    ended = kinesis.get_records(ShardIterator=iterator(kinesis, name, shard(0), "LATEST"))
    assert ended["Records"] == [] and "NextShardIterator" not in ended and len(ended["ChildShards"]) == 2

    everything = [r["Data"] for i in range(2) for r in read(kinesis, name, shard(i))]
    assert everything == [b"before", b"during", b"after"]
    with refused("InvalidArgumentException", f"Shard {shard(0)} in stream {name} under account {ACCOUNT} has already been merged "
                 "or split, and thus is not eligible for merging or splitting."):
        kinesis.split_shard(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey=str(MIDDLE))


@pytest.mark.parametrize("key", [0, 1, 2**128 - 1, 2**128])
def test_bad_split(kinesis, stream, key):
    name = stream()
    with refused("InvalidArgumentException", f"NewStartingHashKey {key} used in SplitShard() on shard {shard(0)} in stream {name} "
                 f"under account {ACCOUNT} is not both greater than one plus the shard's StartingHashKey 0 and less than the "
                 f"shard's EndingHashKey {2**128 - 1}."):
        kinesis.split_shard(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey=str(key))


def test_merge(kinesis, stream):
    name = stream(3)
    with refused("InvalidArgumentException", f"Shards {shard(0)} and {shard(2)} in stream {name} under account {ACCOUNT} "
                 "are not an adjacent pair of shards eligible for merging"):
        kinesis.merge_shards(StreamName=name, ShardToMerge=shard(0), AdjacentShardToMerge=shard(2))
    with refused("InvalidArgumentException"):
        kinesis.merge_shards(StreamName=name, ShardToMerge=shard(1), AdjacentShardToMerge=shard(0))
    kinesis.merge_shards(StreamName=name, ShardToMerge=shard(0), AdjacentShardToMerge=shard(1))
    active(kinesis, name)
    shards = by_id(shards_of(kinesis, name))
    child = shards[shard(3)]
    assert (child["ParentShardId"], child["AdjacentParentShardId"]) == (shard(0), shard(1))
    assert child["HashKeyRange"]["StartingHashKey"] == "0"
    assert child["HashKeyRange"]["EndingHashKey"] == shards[shard(1)]["HashKeyRange"]["EndingHashKey"]
    for parent in (shard(0), shard(1)):
        ended = kinesis.get_records(ShardIterator=iterator(kinesis, name, parent))
        assert "NextShardIterator" not in ended
        assert ended["ChildShards"] == [
            {"ShardId": shard(3), "ParentShards": [shard(0), shard(1)], "HashKeyRange": child["HashKeyRange"]}]


def test_unknown_shards(kinesis, stream):
    name = stream()
    for bad, shown in ((shard(7), shard(7)), ("nonsense", "nonsense")):
        message = f"Could not find shard {shown} in stream {name} under account {ACCOUNT}."
        with refused("ResourceNotFoundException", message):
            kinesis.split_shard(StreamName=name, ShardToSplit=bad, NewStartingHashKey="9")
        with refused("ResourceNotFoundException", message):
            kinesis.merge_shards(StreamName=name, ShardToMerge=bad, AdjacentShardToMerge=shard(0))
    for call in (
        lambda: kinesis.split_shard(StreamName="missing", ShardToSplit="0", NewStartingHashKey="9"),
        lambda: kinesis.merge_shards(StreamName="missing", ShardToMerge="0", AdjacentShardToMerge="1"),
        lambda: kinesis.update_shard_count(StreamName="missing", TargetShardCount=1, ScalingType="UNIFORM_SCALING"),
    ):
        with refused("ResourceNotFoundException", f"Stream missing under account {ACCOUNT} not found."):
            call()


@pytest.mark.parametrize("start,target", [(2, 4), (4, 2), (3, 5), (5, 3), (2, 2), (1, 2)])
def test_update_shard_count(kinesis, stream, start, target):
    name = stream(start)
    kinesis.put_records(StreamName=name, Records=[{"Data": b"%d" % i, "PartitionKey": f"{i}"} for i in range(50)])
    answer = kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (start, target)
    assert active(kinesis, name)["OpenShardCount"] == target
    shards = shards_of(kinesis, name)
    step = 2**128 // target
    even = [(i * step, (i + 1) * step - 1 if i < target - 1 else 2**128 - 1) for i in range(target)]
    assert ranges([s for s in shards if is_open(s)]) == even
    parents = {s.get(p) for s in shards for p in ("ParentShardId", "AdjacentParentShardId")}
    assert all(is_open(s) or s["ShardId"] in parents for s in shards)
    assert sorted(int(r["Data"]) for s in shards for r in read(kinesis, name, s["ShardId"])) == list(range(50))


def test_update_shard_count_limits(kinesis, stream):
    name = stream(4)
    for target in (1, 9):
        with refused("LimitExceededException"):
            kinesis.update_shard_count(StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
    with refused("ValidationException", "1 validation error detected: Value 'OTHER' at 'scalingType' failed to satisfy constraint: "
                 "Member must satisfy enum value set: [UNIFORM_SCALING]"):
        kinesis.update_shard_count(StreamName=name, TargetShardCount=4, ScalingType="OTHER")


def test_shard_filters(kinesis, stream):
    name = stream(2)
    created = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    kinesis.split_shard(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey=str(2**126))
    active(kinesis, name)
    kinesis.merge_shards(StreamName=name, ShardToMerge=shard(3), AdjacentShardToMerge=shard(1))
    active(kinesis, name)

    def ids(kind, **more):
        shards = shards_of(kinesis, name, ShardFilter={"Type": kind, **more})
        if kind.startswith("AT_"):
            assert tiles(shards)
        return [int(s["ShardId"][-12:]) for s in shards]

    assert ids("FROM_TRIM_HORIZON") == [0, 1, 2, 3, 4]
    assert ids("AT_LATEST") == [2, 4]
    assert ids("AFTER_SHARD_ID", ShardId=shard(2)) == [3, 4]
    assert tiles(shards_of(kinesis, name, ShardFilter={"Type": "AT_TRIM_HORIZON"}))
    next_second()
    now = datetime.datetime.now(datetime.timezone.utc)
    assert ids("AT_TIMESTAMP", Timestamp=now) == [2, 4]
    assert ids("AT_TIMESTAMP", Timestamp=0) == ids("AT_TRIM_HORIZON")
    assert set(ids("FROM_TIMESTAMP", Timestamp=created)) == {0, 1, 2, 3, 4}
    assert ids("FROM_TIMESTAMP", Timestamp=now) == [2, 4]
    for kind in ("AT_TIMESTAMP", "FROM_TIMESTAMP"):
        with refused("InvalidArgumentException"):
            ids(kind, Timestamp=now + datetime.timedelta(hours=1))
        with refused("InvalidArgumentException"):
            ids(kind)
    with refused("InvalidArgumentException"):
        ids("AFTER_SHARD_ID")
    # A page token carries its filter along.
    page = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"}, MaxResults=1)
    rest = kinesis.list_shards(NextToken=page["NextToken"])
    assert [s["ShardId"] for s in page["Shards"] + rest["Shards"]] == [shard(2), shard(4)]
    assert len(shards_of(kinesis, name, StreamCreationTimestamp=created)) == 5
    with refused("InvalidArgumentException"):
        shards_of(kinesis, name, StreamCreationTimestamp=created - datetime.timedelta(days=1))
