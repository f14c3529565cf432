"""Kafka's programs: the broker's image and the console clients."""

from __future__ import annotations

import re

import kafka.record  # noqa: F401 - loaded before, so that no program waits for it
import pytest

BIN = "/opt/kafka/bin"


@pytest.fixture
async def broker(lab):
    pod = lab.pod(
        "kafka",
        "apache/kafka:3.9.1",
        env=[
            {"name": "KAFKA_ADVERTISED_LISTENERS", "value": "PLAINTEXT://10.0.1.2:9092"},
            {"name": "KAFKA_NUM_PARTITIONS", "value": "3"},
        ],
    )
    assert pod["status"]["podIP"] == "10.0.1.2"
    await lab.clock.advance(0)
    assert "Kafka Server started" in await lab.logs(pod)
    return pod


@pytest.fixture
async def client(lab, broker):
    return lab.pod("client", "apache/kafka:3.9.1", command=["sleep", "infinity"])


async def run(lab, pod, line):
    return await lab.sh(pod, line.replace("kafka-", f"{BIN}/kafka-") + " --bootstrap-server 10.0.1.2:9092")


async def test_topics_are_created_listed_described_and_deleted(lab, client):
    made = await run(lab, client, "kafka-topics.sh --create --topic orders --partitions 2")
    assert (made.code, made.out) == (0, "Created topic orders.\n")
    again = await run(lab, client, "kafka-topics.sh --create --topic orders")
    assert again.code == 1
    assert again.out == "Error while executing topic command : Topic 'orders' already exists.\n"
    assert "ERROR org.apache.kafka.common.errors.TopicExistsException: Topic 'orders' already exists." in again.err
    assert (await run(lab, client, "kafka-topics.sh --create --topic orders --if-not-exists")).code == 0
    assert (await run(lab, client, "kafka-topics.sh --list")).out == "orders\n"
    described = (await run(lab, client, "kafka-topics.sh --describe --topic orders")).out.splitlines()
    assert described[0] == "Topic: orders\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: "
    assert described[2] == "\tTopic: orders\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1"
    assert (await run(lab, client, "kafka-topics.sh --delete --topic orders")).out == ""
    assert (await run(lab, client, "kafka-topics.sh --list")).out == ""


async def test_messages_are_written_and_read(lab, client):
    lines = await run(
        lab,
        client,
        "printf 'a:1\\nb:2\\na:3\\n' | kafka-console-producer.sh --topic t "
        "--property parse.key=true --property key.separator=:",
    )
    assert (lines.code, lines.out, lines.err) == (0, "", "")
    read = await run(
        lab,
        client,
        "kafka-console-consumer.sh --topic t --from-beginning --max-messages 3 "
        "--property print.key=true --property print.partition=true --property print.offset=true",
    )
    assert read.err == "Processed a total of 3 messages\n"
    rows = [line.split("\t") for line in read.out.splitlines()]
    assert sorted((row[2], row[3]) for row in rows) == [("a", "1"), ("a", "3"), ("b", "2")]
    assert len({row[0] for row in rows if row[2] == "a"}) == 1  # one key, one partition


async def test_a_group_goes_on_where_it_was(lab, client):
    await run(lab, client, "printf '1\\n2\\n' | kafka-console-producer.sh --topic t --producer-property client.id=x")
    first = await run(lab, client, "kafka-console-consumer.sh --topic t --group g --from-beginning --max-messages 2")
    assert sorted(first.out.split()) == ["1", "2"]
    await run(lab, client, "echo 3 | kafka-console-producer.sh --topic t")
    assert (await run(lab, client, "kafka-console-consumer.sh --topic t --group g --max-messages 1")).out == "3\n"


async def test_a_consumer_without_messages_says_so(lab, client):
    result = await run(lab, client, "kafka-console-consumer.sh --topic empty --timeout-ms 3000")
    assert result.code == 0
    assert "ERROR Error processing message, terminating consumer process: " in result.err
    assert result.err.endswith("org.apache.kafka.common.errors.TimeoutException\nProcessed a total of 0 messages\n")


async def test_a_broker_that_is_not_there(lab, client):
    result = await lab.sh(
        client,
        f"echo x | {BIN}/kafka-console-producer.sh --bootstrap-server 10.0.1.77:9092 --topic t --max-block-ms 4000",
    )
    assert result.code == 0
    assert "TimeoutException: Topic t not present in metadata after 4000 ms." in result.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("kafka-topics.sh --list --colour", "colour is not a recognized option"),
        ("kafka-topics.sh --topic t", "Command must include exactly one action"),
        ("kafka-console-consumer.sh", "Exactly one of --include/--topic is required."),
        ("kafka-console-producer.sh", 'Missing required argument "\\[topic\\]"'),
        ("kafka-console-consumer.sh --topic t --max-messages x", "Cannot parse argument 'x'"),
        ("kafka-topics.sh --create --topic a/b", "contains one or more characters other than ASCII alphanumerics"),
        ("kafka-topics.sh --create --topic t --replication-factor 3", "Unable to replicate the partition 3 time"),
        ("kafka-topics.sh --create --topic t --partitions 0", "Number of partitions must be larger than 0."),
        ("kafka-topics.sh --describe --topic nope", "Topic 'nope' does not exist as expected"),
    ],
)
async def test_mistakes(lab, client, line, told):
    result = await run(lab, client, line)
    assert result.code == 1
    assert re.search(told, result.out + result.err)


async def test_members_of_a_group_share_the_partitions(lab, client):
    await run(lab, client, "kafka-topics.sh --create --topic t --partitions 2")
    both = await lab.sh(
        client,
        f"for i in 1 2; do {BIN}/kafka-console-consumer.sh --bootstrap-server 10.0.1.2:9092 --topic t --group g"
        " --timeout-ms 20000 > /tmp/$i 2>&1 & done; sleep 8;"
        f" for key in a b c d e f; do echo $key:$key; done | {BIN}/kafka-console-producer.sh"
        " --bootstrap-server 10.0.1.2:9092 --topic t --property parse.key=true --property key.separator=:; wait;"
        " grep -c '^.$' /tmp/1 /tmp/2; grep total /tmp/1 /tmp/2",
    )
    counts = [int(line.rpartition(":")[2]) for line in both.out.splitlines()[:2]]
    assert sum(counts) == 6
    assert min(counts) >= 1
