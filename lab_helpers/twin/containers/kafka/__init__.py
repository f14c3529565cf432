"""Kafka inside the twin: its messages, a broker, and what its command line clients share.

The wire format is kafka-python's; broker, clients and Cilium's proxy (``twin.agent.kafkaproxy``) all use ``messages``.
"""
