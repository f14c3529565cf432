"""The four kinds of PATCH: JSON patch, merge patch, strategic merge patch and server-side apply."""
