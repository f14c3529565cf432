"""Simulated programs, by topic; ``lab_helpers.twin.containers.catalogue`` puts them into images."""
