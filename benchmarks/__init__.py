"""Speed and memory beside rivals, in one run: ratios, never absolute targets."""
