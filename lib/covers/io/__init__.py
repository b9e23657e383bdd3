"""Storage and the way in: the Spark session, Delta tables, model files, lineage, jobs."""
