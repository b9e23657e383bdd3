# Databricks notebook source
# MAGIC %md
# MAGIC # The catalogue: what the clusters are
# MAGIC Reads the lake that the jobs wrote (`COVERS_LAKE`, or `demo/lake` after `make demo`).

# COMMAND ----------

import os

from pyspark.sql import functions as F

from lib.io.lake import Lake
from lib.io.session import spark_session
from schemas.cluster_models import CLUSTER_MODELS
from schemas.track_clusters import TRACK_CLUSTERS
from schemas.track_similarity import TRACK_SIMILARITY
from schemas.tracks import TRACKS

lake = Lake(spark_session("catalogue"), os.environ.get("COVERS_LAKE", "demo/lake"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## How good and how stable is each clustering?
# MAGIC Silhouette and stability are near 1 for clusters that are really there.

# COMMAND ----------

models = lake.read(CLUSTER_MODELS)
models.select("cluster_model_id", "encoding", "k", "inertia", "silhouette", "stability").show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Are the clusters nothing but key bands?
# MAGIC One row a cluster: the keys that occur in it. Encoding `raw` is the write-up's.

# COMMAND ----------

keys = (
    lake.read(TRACK_CLUSTERS)
    .where("method = 'nearest_center'")
    .join(lake.read(TRACKS).select("track_id", "key"), "track_id")
    .groupBy("cluster_model_id", "cluster")
    .agg(F.count("*").alias("tracks"), F.sort_array(F.collect_set("key")).alias("keys"))
    .orderBy("cluster_model_id", "cluster")
)
keys.show(truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The songs most like the seed song

# COMMAND ----------

(
    lake.read(TRACK_SIMILARITY)
    .where("method = 'writeup'")
    .join(lake.read(TRACKS).select("track_id", "name", "artist"), "track_id")
    .orderBy(F.desc("similarity"))
    .select("name", "artist", "similarity")
    .show(10, truncate=False)
)
