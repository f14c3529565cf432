"""Views: one small data model each, rendered as text, HTML or widget."""
