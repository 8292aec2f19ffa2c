"""The problem room."""
