"""Kafka's programs: the broker of the image apache/kafka, and the console clients in /opt/kafka/bin."""
