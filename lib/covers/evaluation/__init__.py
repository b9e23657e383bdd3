"""How good a system finds covers, with intervals, and the report that people read."""
