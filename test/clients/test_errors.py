"""Errors of reading and addressing, word by word, with boto3. What clients refuse
to send is in test_wire.py."""

import datetime

import pytest
from botocore.exceptions import ClientError

from conftest import ACCOUNT, active, iterator, new_name, refused, shards_of, until

SHARD = "shardId-000000000000"
NOT_FOUND = f"Stream missing under account {ACCOUNT} not found."
EITHER = ("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "
          "(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {} StartingSequenceNumber.")


def test_missing_stream(kinesis):
    where = {"StreamName": "missing"}
    for call in (
        lambda: kinesis.describe_stream(**where),
        lambda: kinesis.describe_stream_summary(**where),
        lambda: kinesis.delete_stream(**where),
        lambda: kinesis.list_shards(**where),
        lambda: kinesis.put_record(**where, Data=b"x", PartitionKey="k"),
        lambda: kinesis.put_records(**where, Records=[{"Data": b"x", "PartitionKey": "k"}]),
        lambda: kinesis.increase_stream_retention_period(**where, RetentionPeriodHours=24),
        lambda: kinesis.decrease_stream_retention_period(**where, RetentionPeriodHours=24),
    ):
        with refused("ResourceNotFoundException", NOT_FOUND):
            call()


def test_no_stream(kinesis):
    with refused("InvalidArgumentException", "Either StreamName or StreamARN must be provided."):
        kinesis.describe_stream_summary()
    with refused("InvalidArgumentException", "Either StreamName or StreamARN must be provided."):
        kinesis.put_record(Data=b"x", PartitionKey="k")


def test_names(kinesis):
    with refused("ValidationException", "1 validation error detected: Value 'not a name' at 'streamName' failed to satisfy constraint: "
                 "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"):
        kinesis.create_stream(StreamName="not a name", ShardCount=1)
    long = "x" * 129
    with refused("ValidationException", f"1 validation error detected: Value '{long}' at 'streamName' failed to satisfy constraint: "
                 "Member must have length less than or equal to 128"):
        kinesis.describe_stream(StreamName=long)
    name = "y" * 128
    kinesis.create_stream(StreamName=name, ShardCount=1)
    active(kinesis, name)
    kinesis.delete_stream(StreamName=name)


def test_several_violations(kinesis):
    with pytest.raises(ClientError) as caught:
        kinesis.put_records(StreamName="s s", Records=[{"Data": b"", "PartitionKey": "k" * 257, "ExplicitHashKey": "01"}] * 6)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("13 validation errors detected: ") and message.count("; ") == 9
    assert "at 'records.1.member.partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256" in message


@pytest.mark.parametrize("shard,message", [
    ("shardId-000000000009", "Shard shardId-000000000009 in stream {} under account {} does not exist"),
    ("9", "Shard shardId-000000000009 in stream {} under account {} does not exist"),
    ("nonsense", "Could not find shard nonsense in stream {} under account {}."),
    ("shardId-99999999999", "Could not find shard shardId-99999999999 in stream {} under account {}."),
])
def test_iterator_of_unknown_shard(kinesis, stream, shard, message):
    name = stream()
    with refused("ResourceNotFoundException", message.format(name, ACCOUNT)):
        iterator(kinesis, name, shard)


def test_iterator_of_unknown_stream(kinesis):
    with refused("ResourceNotFoundException", f"Shard {SHARD} in stream missing under account {ACCOUNT} does not exist"):
        iterator(kinesis, "missing")


def test_iterator_arguments(kinesis, stream):
    name = stream()
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        with refused("InvalidArgumentException", EITHER.format(kind, "no")):
            iterator(kinesis, name, kind=kind)
    for kind in ("TRIM_HORIZON", "LATEST"):
        with refused("InvalidArgumentException", EITHER.format(kind, "also a")):
            iterator(kinesis, name, kind=kind, StartingSequenceNumber="1")
    with refused("InvalidArgumentException", "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. "
                 "Current request has no timestamp parameter."):
        iterator(kinesis, name, kind="AT_TIMESTAMP")
    with refused("InvalidArgumentException") as caught:
        iterator(kinesis, name, kind="AT_TIMESTAMP", Timestamp=datetime.datetime(2200, 1, 1, tzinfo=datetime.timezone.utc))
    assert caught.value.response["Error"]["Message"].startswith(
        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: 7258118400000, "
        "currentTimestampInMillis: ")
    with refused("ValidationException", "1 validation error detected: Value 'SOON' at 'shardIteratorType' failed to satisfy constraint: "
                 "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"):
        iterator(kinesis, name, kind="SOON")


def test_foreign_numbers(kinesis, stream):
    """A sequence number is good for its own shard of its own stream only."""
    name, other = stream(2), stream()
    lower = kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k", ExplicitHashKey="0")["SequenceNumber"]
    foreign = kinesis.put_record(StreamName=other, Data=b"x", PartitionKey="k")["SequenceNumber"]
    upper = "shardId-000000000001"
    with refused("InvalidArgumentException", f"Invalid StartingSequenceNumber. It encodes {SHARD}, while it was used in a call to "
                 f"a shard with {upper}"):
        iterator(kinesis, name, upper, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=lower)
    used = f"StartingSequenceNumber {{}} used in GetShardIterator on shard {SHARD} in stream {name} under account {ACCOUNT} is invalid"
    with refused("InvalidArgumentException", used.format("12") + "."):
        iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber="12")
    starts = [shards_of(kinesis, n)[0]["SequenceNumberRange"]["StartingSequenceNumber"] for n in (name, other)]
    if starts[0][:20] != starts[1][:20]:  # made in different seconds
        with refused("InvalidArgumentException", used.format(foreign) + " because it did not come from this stream."):
            iterator(kinesis, name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=foreign)


def test_iterator_tokens(kinesis, stream):
    name = stream()
    token = iterator(kinesis, name)
    assert len(token) <= 512
    for at in (0, len(token) // 2, len(token) - 3):
        forged = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]
        with refused("InvalidArgumentException", "Invalid ShardIterator."):
            kinesis.get_records(ShardIterator=forged)
    for bad in ("x", token + "A", token[:-4], "A" * 512):
        with refused("InvalidArgumentException", "Invalid ShardIterator."):
            kinesis.get_records(ShardIterator=bad)
    with refused("ValidationException"):
        kinesis.get_records(ShardIterator="A" * 513)
    for limit, word in ((0, "greater"), (10001, "less")):
        with refused("ValidationException"):
            kinesis.get_records(ShardIterator=token, Limit=limit)
    with refused("InvalidArgumentException", "StreamARN does not name the stream of the ShardIterator."):
        kinesis.get_records(ShardIterator=token, StreamARN=f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/other")


def test_reading_a_deleted_stream(kinesis):
    name = new_name()
    kinesis.create_stream(StreamName=name, ShardCount=1)
    active(kinesis, name)
    token = iterator(kinesis, name)
    kinesis.delete_stream(StreamName=name)

    def gone():
        try:
            kinesis.get_records(ShardIterator=token)
        except kinesis.exceptions.ResourceNotFoundException as e:
            assert e.response["Error"]["Message"] == f"Shard {SHARD} in stream {name} under account {ACCOUNT} does not exist"
            return True
        return False

    until(gone)
