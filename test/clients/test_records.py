"""Records in and out with boto3."""

import datetime
import hashlib
import os

from conftest import active, iterator, next_second, read, refused, shards_of

SHARD = "shardId-000000000000"


def test_one(kinesis, stream):
    name = stream()
    data, key = bytes(range(256)), "käy €😀\n\"\\"
    put = kinesis.put_record(StreamName=name, Data=data, PartitionKey=key)
    assert put["ShardId"] == SHARD and len(put["SequenceNumber"]) == 56 and "EncryptionType" not in put
    answer = kinesis.get_records(ShardIterator=iterator(kinesis, name))
    record, = answer["Records"]
    age = datetime.datetime.now(datetime.timezone.utc) - record.pop("ApproximateArrivalTimestamp")
    assert abs(age) < datetime.timedelta(seconds=30)
    assert record == {"SequenceNumber": put["SequenceNumber"], "Data": data, "PartitionKey": key}
    assert answer["MillisBehindLatest"] == 0 and answer["NextShardIterator"] and "ChildShards" not in answer


def test_many(kinesis, stream):
    name = stream(4)
    entries = [{"Data": os.urandom(100) + i.to_bytes(4), "PartitionKey": f"key-{i % 40}"} for i in range(500)]
    answer = kinesis.put_records(StreamName=name, Records=entries)
    assert answer["FailedRecordCount"] == 0 and len(answer["Records"]) == 500
    shards = shards_of(kinesis, name)
    got = {s["ShardId"]: read(kinesis, name, s["ShardId"]) for s in shards}
    for entry, result in zip(entries, answer["Records"]):
        hashed = int.from_bytes(hashlib.md5(entry["PartitionKey"].encode()).digest())
        home, = (s["ShardId"] for s in shards if
                 int(s["HashKeyRange"]["StartingHashKey"]) <= hashed <= int(s["HashKeyRange"]["EndingHashKey"]))
        assert result["ShardId"] == home
        stored, = (r for r in got[home] if r["SequenceNumber"] == result["SequenceNumber"])
        assert (stored["Data"], stored["PartitionKey"]) == (entry["Data"], entry["PartitionKey"])
    for records in got.values():
        numbers = [int(r["SequenceNumber"]) for r in records]
        assert numbers == sorted(set(numbers))
        sent = [e["Data"] for e in entries if e["Data"] in {r["Data"] for r in records}]
        assert [r["Data"] for r in records] == sent  # within a shard in the order of the call


def test_explicit_hash_key(kinesis, stream):
    name = stream(2)
    middle = 2**127
    for key, shard in ((0, 0), (middle - 1, 0), (middle, 1), (2**128 - 1, 1)):
        put = kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k", ExplicitHashKey=str(key))
        assert put["ShardId"] == f"shardId-{shard:012}"
    with refused("InvalidArgumentException", "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
                 f"Specified value was {2**128}"):
        kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k", ExplicitHashKey=str(2**128))
    with refused("InvalidArgumentException"):
        kinesis.put_records(StreamName=name, Records=[
            {"Data": b"x", "PartitionKey": "k"}, {"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": str(2**128)}])
    assert len(read(kinesis, name, "0")) == 2  # the whole call was refused


def test_sizes(kinesis, stream):
    name = stream()
    mib = 1 << 20
    largest = os.urandom(mib - 3)
    kinesis.put_record(StreamName=name, Data=largest, PartitionKey="€")
    message = ("1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]' at '{1}' "
               "failed to satisfy constraint: Member must have length less than or equal to 1048576")
    with refused("ValidationException", message.format(mib, "data")):
        kinesis.put_record(StreamName=name, Data=bytes(mib), PartitionKey="k")
    with refused("ValidationException", message.format(mib, "records.2.member.data")):
        kinesis.put_records(StreamName=name, Records=[
            {"Data": b"", "PartitionKey": "k"}, {"Data": bytes(mib), "PartitionKey": "k"}])
    ten = [{"Data": os.urandom(mib - 1), "PartitionKey": "k"} for _ in range(10)]
    assert kinesis.put_records(StreamName=name, Records=ten)["FailedRecordCount"] == 0
    with refused("InvalidArgumentException", "Records size exceeds 10 MB limit"):
        kinesis.put_records(StreamName=name, Records=[*ten, {"Data": b"", "PartitionKey": "k"}])
    assert [r["Data"] for r in read(kinesis, name)] == [largest] + [r["Data"] for r in ten]
    kinesis.put_record(StreamName=name, Data=b"", PartitionKey="k" * 256)
    assert read(kinesis, name)[-1]["Data"] == b""


def test_counts(kinesis, stream):
    name = stream()
    with refused("ValidationException"):
        kinesis.put_records(StreamName=name, Records=[{"Data": b"x", "PartitionKey": "k"}] * 501)
    assert read(kinesis, name) == []


def test_iterator_types(kinesis, stream):
    name = stream()
    numbers = []
    for i in range(5):
        if i == 3:
            next_second()
        numbers.append(kinesis.put_record(StreamName=name, Data=b"%d" % i, PartitionKey="k")["SequenceNumber"])

    def datas(kind, **more):
        return [int(r["Data"]) for r in read(kinesis, name, kind=kind, **more)]

    assert datas("TRIM_HORIZON") == [0, 1, 2, 3, 4]
    assert datas("AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2]) == [2, 3, 4]
    assert datas("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2]) == [3, 4]
    assert datas("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[4]) == []
    assert datas("LATEST") == []
    arrivals = [r["ApproximateArrivalTimestamp"] for r in read(kinesis, name)]
    assert arrivals == sorted(arrivals)
    assert datas("AT_TIMESTAMP", Timestamp=arrivals[3]) == [3, 4]
    assert datas("AT_TIMESTAMP", Timestamp=0) == [0, 1, 2, 3, 4]
    start = shards_of(kinesis, name)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    assert datas("AT_SEQUENCE_NUMBER", StartingSequenceNumber=start) == [0, 1, 2, 3, 4]

    latest = iterator(kinesis, name, kind="LATEST")
    kinesis.put_record(StreamName=name, Data=b"5", PartitionKey="k")
    for _ in range(2):  # LATEST was fixed when it was issued; an iterator can be used again
        assert [r["Data"] for r in kinesis.get_records(ShardIterator=latest)["Records"]] == [b"5"]


def test_limit(kinesis, stream):
    name = stream()
    kinesis.put_records(StreamName=name, Records=[{"Data": b"%d" % i, "PartitionKey": "k"} for i in range(25)])
    token, sizes, behind, seen = iterator(kinesis, name), [], [], []
    for _ in range(4):
        answer = kinesis.get_records(ShardIterator=token, Limit=10)
        sizes.append(len(answer["Records"]))
        behind.append(answer["MillisBehindLatest"] > 0)
        seen += [int(r["Data"]) for r in answer["Records"]]
        assert answer["NextShardIterator"] != token
        token = answer["NextShardIterator"]
    assert sizes == [10, 10, 5, 0] and behind == [True, True, False, False] and seen == list(range(25))


def test_large_reads(kinesis, stream):
    """An answer has at most 10 MiB, and the next one goes on where it ended."""
    name = stream()
    mib = 1 << 20
    sent = []
    for _ in range(3):
        batch = [os.urandom(mib - 1) for _ in range(8)]
        kinesis.put_records(StreamName=name, Records=[{"Data": d, "PartitionKey": "k"} for d in batch])
        sent += batch
    token, got = iterator(kinesis, name), []
    while len(got) < len(sent):
        answer = kinesis.get_records(ShardIterator=token)
        assert 0 < sum(len(r["Data"]) + 1 for r in answer["Records"]) <= 10 * mib
        got += [r["Data"] for r in answer["Records"]]
        token = answer["NextShardIterator"]
    assert got == sent


def test_ordering_number(kinesis, stream):
    name = stream()
    first = kinesis.put_record(StreamName=name, Data=b"1", PartitionKey="k")["SequenceNumber"]
    second = kinesis.put_record(StreamName=name, Data=b"2", PartitionKey="k", SequenceNumberForOrdering=first)["SequenceNumber"]
    assert int(second) > int(first)
    with refused("InvalidArgumentException", f"ExclusiveMinimumSequenceNumber 12 used in PutRecord on stream {name} "
                 "under account 000000000000 is invalid."):
        kinesis.put_record(StreamName=name, Data=b"3", PartitionKey="k", SequenceNumberForOrdering="12")


def test_shortened_retention(kinesis, stream):
    """Retention changes keep what is young enough."""
    name = stream()
    kinesis.put_record(StreamName=name, Data=b"young", PartitionKey="k")
    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    active(kinesis, name)
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    active(kinesis, name)
    assert [r["Data"] for r in read(kinesis, name)] == [b"young"]
