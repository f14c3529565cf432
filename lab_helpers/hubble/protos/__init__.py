"""Hubble's messages and services: ``flow_pb2``, ``observer_pb2``, ``relay_pb2``, ``peer_pb2`` and their gRPC stubs.

The ``.proto`` files beside this module are the source; the stubs are generated from them by
``python -m lab_helpers.hubble.protos`` and committed. Nothing is imported here: naming the package costs nothing.
"""
