"""Speed and memory beside baselines, in one run: ratios, never absolute targets."""
