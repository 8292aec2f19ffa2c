"""Networks of their own that are held near one another."""
