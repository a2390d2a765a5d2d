"""Pages and paginators with boto3."""

from conftest import ACCOUNT, active, new_name, refused, until


def test_list_streams(kinesis):
    names = [new_name("page") for _ in range(7)]
    for name in names:
        kinesis.create_stream(StreamName=name, ShardCount=1)
    try:
        pages = list(kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 3}))
        assert all(len(p["StreamNames"]) == 3 for p in pages[:-1]) and len(pages) >= 3
        listed = [n for p in pages for n in p["StreamNames"]]
        assert listed == sorted(listed) and set(names) <= set(listed)
        assert [s["StreamName"] for p in pages for s in p["StreamSummaries"]] == listed
        assert all(p["HasMoreStreams"] == ("NextToken" in p) for p in pages)
        summary = pages[0]["StreamSummaries"][0]
        assert summary["StreamARN"].endswith(summary["StreamName"]) and summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}

        # The way of old clients.
        old, after = [], ""
        while True:
            page = kinesis.list_streams(Limit=2, **({"ExclusiveStartStreamName": after} if after else {}))
            old += page["StreamNames"]
            if not page["HasMoreStreams"]:
                break
            after = page["StreamNames"][-1]
        assert old == listed
        with refused("InvalidArgumentException"):
            kinesis.list_streams(NextToken="nonsense")
    finally:
        for name in names:
            kinesis.delete_stream(StreamName=name)


def test_list_shards(kinesis, stream):
    name = stream(10)
    assert len(kinesis.get_paginator("list_shards").paginate(StreamName=name).build_full_result()["Shards"]) == 10
    pages = [kinesis.list_shards(StreamName=name, MaxResults=4)]
    while "NextToken" in pages[-1]:
        pages.append(kinesis.list_shards(NextToken=pages[-1]["NextToken"], MaxResults=4))
    assert [len(p["Shards"]) for p in pages] == [4, 4, 2]
    ids = [s["ShardId"] for p in pages for s in p["Shards"]]
    assert ids == [f"shardId-{i:012}" for i in range(10)]
    assert [s["ShardId"] for s in kinesis.list_shards(StreamName=name, ExclusiveStartShardId=ids[6])["Shards"]] == ids[7:]

    token = pages[0]["NextToken"]
    page = kinesis.list_shards(NextToken=token, MaxResults=1)
    assert [s["ShardId"] for s in page["Shards"]] == [ids[4]]
    with refused("InvalidArgumentException", "NextToken and StreamName cannot be provided together."):
        kinesis.list_shards(StreamName=name, NextToken=token)
    # boto3's paginator sends both from the second page on, and Kinesis refuses that (boto/botocore#2009).
    with refused("InvalidArgumentException", "NextToken and StreamName cannot be provided together."):
        list(kinesis.get_paginator("list_shards").paginate(StreamName=name, PaginationConfig={"PageSize": 4}))
    with refused("InvalidArgumentException", "Either NextToken or StreamName should be provided."):
        kinesis.list_shards()
    forged = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    with refused("InvalidArgumentException"):
        kinesis.list_shards(NextToken=forged)
    with refused("InvalidArgumentException"):
        kinesis.list_streams(NextToken=token)


def test_describe_stream(kinesis, stream):
    name = stream(7)
    pages = list(kinesis.get_paginator("describe_stream").paginate(StreamName=name, PaginationConfig={"PageSize": 3}))
    assert [len(p["StreamDescription"]["Shards"]) for p in pages] == [3, 3, 1]
    assert [p["StreamDescription"]["HasMoreShards"] for p in pages] == [True, True, False]
    with refused("InvalidArgumentException"):
        kinesis.describe_stream(StreamName=name, ExclusiveStartShardId="nonsense")


def test_pages_of_a_large_stream(kinesis):
    """A page has 1,000 shards, or 100, whatever is asked for."""
    name = new_name()
    kinesis.create_stream(StreamName=name, ShardCount=1100)
    active(kinesis, name)
    page = kinesis.list_shards(StreamName=name, MaxResults=10000)
    assert len(page["Shards"]) == 1000
    assert len(kinesis.list_shards(NextToken=page["NextToken"])["Shards"]) == 100
    page = kinesis.describe_stream(StreamName=name, Limit=10000)["StreamDescription"]
    assert len(page["Shards"]) == 100 and page["HasMoreShards"]
    everything = kinesis.get_paginator("describe_stream").paginate(StreamName=name).build_full_result()
    assert len(everything["StreamDescription"]["Shards"]) == 1100
    kinesis.delete_stream(StreamName=name)


def test_token_of_a_deleted_stream(kinesis):
    name = new_name()
    kinesis.create_stream(StreamName=name, ShardCount=2)
    active(kinesis, name)
    token = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    kinesis.delete_stream(StreamName=name)

    def gone():
        try:
            kinesis.list_shards(NextToken=token)
        except kinesis.exceptions.ResourceNotFoundException as e:
            return e.response["Error"]["Message"] == f"Stream {name} under account {ACCOUNT} not found."
        except kinesis.exceptions.ResourceInUseException:
            return False

    until(gone)
