"""The story's application: manifests and the code of its backend, as data."""
