"""Requests that no client would send, byte by byte."""

import http.client
import json
import socket
import time
import urllib.parse

import pytest

SIGNED = {
    "Content-Type": "application/x-amz-json-1.1",
    "Authorization": "AWS4-HMAC-SHA256 Credential=A/20261104/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
    "X-Amz-Date": "20261104T000000Z",
}


@pytest.fixture
def send(node):
    where = urllib.parse.urlparse(node.endpoint)

    def call(operation, body, method="POST", **headers):
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
        sent = {**SIGNED, "X-Amz-Target": f"Kinesis_20131202.{operation}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection.request(method, "/", body, {k: v for k, v in sent.items() if v is not None})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    return call


def error(kind, **more):
    return json.dumps({"__type": kind, **more}, separators=(",", ":")).encode()


def test_like_curl(send):
    assert send("ListStreams", {}, Authorization=None) == (
        400, error("MissingAuthenticationTokenException", message="Missing Authentication Token"))
    status, text = send("ListStreams", {})
    assert status == 200 and "StreamNames" in json.loads(text)
    assert send("ListStreams", b"", "GET")[0] == 403


def test_unknown_operations(send):
    for name in ("Nonsense", "SubscribeToShard", "AddTagsToStream", "listStreams"):
        assert send(name, {}) == (400, error("UnknownOperationException"))


def test_syntax(send):
    for body in (b"{", b"{}x", b"", b"\xff", b'{"StreamName":"a', b'{"Limit":01}'):
        assert send("ListStreams", body) == (400, error("SerializationException")), body


def test_types(send):
    number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"
    assert send("DescribeStream", {"StreamName": 5}) == (400, error("SerializationException", Message=number))
    for data, fault in (("YQ", "Base64 encoded length is expected a multiple of 4 bytes but found: 2"),
                        ("YQ=a", "Invalid Base64 character: '='"),
                        ("YR==", "Invalid last non-pad Base64 character dectected")):
        assert send("PutRecord", {"StreamName": "s", "PartitionKey": "k", "Data": data}) == (
            400, error("SerializationException", Message=f"'{data}' can not be converted to a Blob: {fault}"))


def test_million_deep(send):
    for body in (b"[" * 1_000_000, b'{"a":' * 1_000_000, b'{"Records":' * 1_000_000):
        begun = time.monotonic()
        assert send("PutRecords", body) == (400, error("SerializationException"))
        assert time.monotonic() - begun < 5


def test_too_large(send):
    try:
        status, _ = send("PutRecords", b" " * (16 * 1024 * 1024 + 1))
        assert status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # the node does not read what it will not take
    assert send("ListStreams", b" " * (16 * 1024 * 1024 - 2) + b"{}")[0] == 200


def test_cut_short(node, send):
    """A body that ends early changes nothing and ties nothing up."""
    where = urllib.parse.urlparse(node.endpoint)
    for _ in range(20):
        with socket.create_connection((where.hostname, where.port)) as s:
            lines = ["POST / HTTP/1.1", f"Host: {where.netloc}", "Content-Length: 16000000", "X-Amz-Target: Kinesis_20131202.CreateStream",
                     *(f"{k}: {v}" for k, v in SIGNED.items()), "", '{"StreamName":"cut-short"']
            s.sendall("\r\n".join(lines).encode())
    assert send("DescribeStreamSummary", {"StreamName": "cut-short"})[0] == 400
    assert send("ListStreams", {})[0] == 200


def test_chunked(node):
    where = urllib.parse.urlparse(node.endpoint)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    connection.request("POST", "/any/path", iter([b'{"Li', b'mit":', b"1}"]),
                       {**SIGNED, "X-Amz-Target": "Kinesis_20131202.ListStreams"}, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_cors(node):
    where = urllib.parse.urlparse(node.endpoint)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    connection.request("OPTIONS", "/", headers={"Origin": "http://app", "Access-Control-Request-Method": "POST"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.getheader("Access-Control-Allow-Origin") == "*"
    assert answer.getheader("Access-Control-Max-Age") == "172800"
    connection.close()


def test_dry_run(send):
    status, text = send("CreateStream", {"StreamName": "dry", "ShardCount": 1})
    assert (status, text) == (200, b"")
    deadline = time.monotonic() + 10
    put = {"StreamName": "dry", "Data": "eA==", "PartitionKey": "k", "DryRun": True}
    would = error("DryRunOperationException", message="Request would have succeeded, but DryRun flag is set.")
    while send("PutRecord", put) != (400, would):
        assert time.monotonic() < deadline
    _, text = send("GetShardIterator", {"StreamName": "dry", "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"})
    _, text = send("GetRecords", {"ShardIterator": json.loads(text)["ShardIterator"]})
    assert json.loads(text)["Records"] == []
    assert send("DeleteStream", {"StreamName": "dry"})[0] == 200
