"""The life of streams with boto3."""

import datetime

import pytest

from conftest import ACCOUNT, active, is_open, new_name, ranges, refused, shards_of, tiles, until


def arn(name):
    return f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{name}"


def test_life(kinesis):
    name = new_name()
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    answer = kinesis.create_stream(StreamName=name, ShardCount=3)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert answer["ResponseMetadata"]["RequestId"] == headers["x-amzn-requestid"]
    assert headers["content-length"] == "0" and headers["x-amz-id-2"] and headers["date"]

    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert described["StreamStatus"] == "CREATING" and described["Shards"] == [] and not described["HasMoreShards"]
    with refused("ResourceNotFoundException", f"Stream {name} under account {ACCOUNT} not found."):
        kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} not ACTIVE, instead in state CREATING"):
        kinesis.list_shards(StreamName=name)

    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert before < described["StreamCreationTimestamp"] < before + datetime.timedelta(minutes=1)
    del described["StreamCreationTimestamp"]
    shards = described.pop("Shards")
    assert described == {
        "StreamName": name, "StreamARN": arn(name), "StreamStatus": "ACTIVE", "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "HasMoreShards": False, "RetentionPeriodHours": 24, "EnhancedMonitoring": [{"ShardLevelMetrics": []}], "EncryptionType": "NONE",
    }
    assert [s["ShardId"] for s in shards] == [f"shardId-{i:012}" for i in range(3)]
    assert ranges(shards) == [
        (0, 113427455640312821154458202477256070484),
        (113427455640312821154458202477256070485, 226854911280625642308916404954512140969),
        (226854911280625642308916404954512140970, 2**128 - 1),
    ]
    assert all(is_open(s) and "ParentShardId" not in s for s in shards)
    assert all(len(s["SequenceNumberRange"]["StartingSequenceNumber"]) == 56 for s in shards)
    assert shards_of(kinesis, name) == shards

    kinesis.delete_stream(StreamName=name)
    assert kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] == "DELETING"
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    with refused("ResourceNotFoundException", f"Stream {name} under account {ACCOUNT} not found."):
        kinesis.describe_stream(StreamName=name)


def test_summary(kinesis, stream):
    name = stream(2)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    del summary["StreamCreationTimestamp"]
    assert summary == {
        "StreamName": name, "StreamARN": arn(name), "StreamStatus": "ACTIVE", "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "RetentionPeriodHours": 24, "EnhancedMonitoring": [{"ShardLevelMetrics": []}], "EncryptionType": "NONE",
        "OpenShardCount": 2, "ConsumerCount": 0, "MaxRecordSizeInKiB": 1024,
    }


def test_by_arn(kinesis, stream):
    """Every operation takes the ARN instead of the name, or both."""
    name = stream(2)
    where = {"StreamARN": arn(name)}
    put = kinesis.put_record(**where, Data=b"x", PartitionKey="k", ExplicitHashKey="0")
    assert kinesis.put_records(**where, Records=[{"Data": b"y", "PartitionKey": "k"}])["FailedRecordCount"] == 0
    token = kinesis.get_shard_iterator(**where, ShardId=put["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert kinesis.get_records(**where, ShardIterator=token)["Records"][0]["Data"] == b"x"
    assert kinesis.describe_stream(**where)["StreamDescription"]["StreamName"] == name
    assert kinesis.describe_stream_summary(**where)["StreamDescriptionSummary"]["StreamARN"] == arn(name)
    assert len(kinesis.list_shards(**where)["Shards"]) == 2
    kinesis.increase_stream_retention_period(**where, RetentionPeriodHours=24)
    kinesis.decrease_stream_retention_period(**where, RetentionPeriodHours=24)
    active(kinesis, name)
    kinesis.merge_shards(**where, ShardToMerge="shardId-000000000000", AdjacentShardToMerge="shardId-000000000001")
    active(kinesis, name)
    kinesis.split_shard(**where, ShardToSplit="shardId-000000000002", NewStartingHashKey=str(2**127))
    active(kinesis, name)
    answer = kinesis.update_shard_count(**where, StreamName=name, TargetShardCount=1, ScalingType="UNIFORM_SCALING")
    assert (answer["StreamName"], answer["StreamARN"]) == (name, arn(name))
    active(kinesis, name)
    with refused("InvalidArgumentException", "StreamARN and StreamName must name the same stream."):
        kinesis.describe_stream(**where, StreamName="other")
    with refused("ResourceNotFoundException", f"Stream {name} under account 123456789012 not found."):
        kinesis.describe_stream(StreamARN=arn(name).replace(ACCOUNT, "123456789012"))
    kinesis.delete_stream(**where)


def test_recreated(kinesis, stream):
    """A stream of the same name is another stream."""
    name = stream()
    kinesis.put_record(StreamName=name, Data=b"old", PartitionKey="k")
    old = kinesis.get_shard_iterator(StreamName=name, ShardId="0", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    kinesis.create_stream(StreamName=name, ShardCount=1)
    active(kinesis, name)
    with refused("ResourceNotFoundException"):
        kinesis.get_records(ShardIterator=old)
    fresh = kinesis.get_shard_iterator(StreamName=name, ShardId="0", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert kinesis.get_records(ShardIterator=fresh)["Records"] == []


def test_without_shard_count(kinesis):
    name = new_name()
    kinesis.create_stream(StreamName=name)
    assert active(kinesis, name)["OpenShardCount"] == 4
    assert tiles(shards_of(kinesis, name))
    kinesis.delete_stream(StreamName=name)


def test_deleted_while_creating(kinesis):
    name = new_name()
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.delete_stream(StreamName=name)

    def gone():
        try:
            kinesis.describe_stream_summary(StreamName=name)
        except kinesis.exceptions.ResourceNotFoundException:
            return True
        return False

    until(gone)


def test_existing(kinesis, stream):
    name = stream()
    with refused("ResourceInUseException", f"Stream {name} under account {ACCOUNT} already exists."):
        kinesis.create_stream(StreamName=name, ShardCount=1)


@pytest.mark.parametrize("more", [
    {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}},
    {"StreamModeDetails": {"StreamMode": "PROVISIONED"}},
    {"ShardCount": 1, "Tags": {"a": "b"}},
    {"ShardCount": 1, "MaxRecordSizeInKiB": 2048},
    {"ShardCount": 1, "WarmThroughputMiBps": 1},
])
def test_not_available(kinesis, more):
    """What a stream cannot be is refused, not left out."""
    name = new_name()
    with refused("InvalidArgumentException"):
        kinesis.create_stream(StreamName=name, **more)
    with refused("ResourceNotFoundException"):
        kinesis.describe_stream_summary(StreamName=name)


def test_retention(kinesis, stream):
    name = stream()

    def hours():
        return active(kinesis, name)["RetentionPeriodHours"]

    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    assert hours() == 24
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=8760)
    assert hours() == 8760
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    assert hours() == 48
    with refused("InvalidArgumentException", f"Requested retention period (25 hours) for stream {name} can not be shorter "
                 "than existing retention period (48 hours). Use DecreaseRetentionPeriod API."):
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=25)
    with refused("InvalidArgumentException", f"Requested retention period (49 hours) for stream {name} can not be longer "
                 "than existing retention period (48 hours). Use IncreaseRetentionPeriod API."):
        kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=49)
    with refused("InvalidArgumentException", "Minimum allowed retention period is 24 hours. "
                 "Requested retention period (23 hours) is too short."):
        kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=23)
    with refused("InvalidArgumentException", "Maximum allowed retention period is 8760 hours. "
                 "Requested retention period (8761 hours) is too long."):
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=8761)
    assert hours() == 48
