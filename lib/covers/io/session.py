"""The Spark session. Cluster settings live in spark-submit.sh, never here."""

from __future__ import annotations

from pyspark.sql import SparkSession


def spark_session(app_name: str) -> SparkSession:
    """Return the session that spark-submit.sh configured, quiet but for errors.

    Raises
    ------
    RuntimeError
        If the session lacks Delta's extension: the job was not started by spark-submit.sh.
    """
    spark = SparkSession.builder.appName(app_name).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    extensions = spark.conf.get("spark.sql.extensions", "")
    if "DeltaSparkSessionExtension" not in str(extensions):
        raise RuntimeError(
            f"spark.sql.extensions must name Delta's extension, got {extensions!r}; "
            "start jobs by ./spark-submit.sh or `databricks` with Delta installed"
        )
    return spark
