"""The command line: files in, files out, no mathematics."""
