"""A shop that reports its metrics with plain boto3; only the endpoint is ours.

usage: shop_metrics.py ENDPOINT_URL STREAM COUNT
"""

import datetime
import json
import random
import sys
import time

import boto3
from botocore.config import Config

endpoint, stream, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
kinesis = boto3.client(
    "kinesis",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"max_attempts": 10, "mode": "standard"}, connect_timeout=2, read_timeout=5),
)

for _ in range(count):
    requests = random.randint(80, 200)
    users, orders, churn = random.randint(0, 20), random.randint(0, 10), random.randint(0, 5)
    record = {
        "timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "requests_newUsers_newOrders_churnUsers": f"{requests},{users},{orders},{churn}",
    }
    kinesis.put_record(StreamName=stream, Data=json.dumps(record), PartitionKey="partitionkey")
    time.sleep(0.2)
