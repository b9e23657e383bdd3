"""One file a spark-submit entry: parse, read, call lib, write, print a summary."""
