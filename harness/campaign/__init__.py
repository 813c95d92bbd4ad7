"""Migration stress: a campaign run against a testbed, case by case, and judged."""
