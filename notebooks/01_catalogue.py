# Databricks notebook source
# MAGIC %md
# MAGIC # The catalogue: six attributes a track
# MAGIC The first write-up ("Triplets from Music Info") on the lake that the jobs wrote (`COVERS_LAKE`, or
# MAGIC `demo/lake` after `make demo`): the X_vector, the similarity to one song, a regressor of that
# MAGIC similarity, the clusters and what they mean, and a classifier of clusters.

# COMMAND ----------

import json
import os

from pyspark.sql import functions as F

from covers.catalog import kmeans_table, plots
from covers.io.lake import Lake
from covers.io.spark import spark_session
from covers.schemas.classifier_fits import CLASSIFIER_FITS
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.track_similarity import TRACK_SIMILARITY
from covers.schemas.tracks import TRACKS

lake = Lake(spark_session("catalogue"), os.environ.get("COVERS_LAKE", "demo/lake"))
tracks = lake.read(TRACKS)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The songs
# MAGIC Every row of the CSV is here or in table `quarantine`, with a reason. Tempo 0 and key −1 mean "not
# MAGIC detected".

# COMMAND ----------

tracks.select("name", "artist", "danceability", "energy", "key", "mode", "valence", "tempo").show(5)
tracks.summary("min", "25%", "50%", "75%", "max").select(
    "summary", "danceability", "energy", "key", "mode", "valence", "tempo"
).show()
lake.read(QUARANTINE).where("what = 'track'").groupBy("reason").count().show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## The X_vector
# MAGIC Encoding `raw` is the write-up's: the key stays 0 to 11 and outweighs the five other attributes
# MAGIC together. Encoding `musical` scales them and puts the key on the circle of fifths.

# COMMAND ----------

features = lake.read(TRACK_FEATURES).where("source = 'catalog'")
features.orderBy("track_id", "encoding").select("track_id", "encoding", "features").show(4, False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The songs most similar to the seed song
# MAGIC The write-up's formula: the mean of six terms, of which key and mode are all or nothing.

# COMMAND ----------

similar = lake.read(TRACK_SIMILARITY).where("method = 'writeup'")
(
    similar.join(tracks.select("track_id", "name", "artist"), "track_id")
    .orderBy(F.desc("similarity"), "track_id")
    .select("name", "artist", "similarity")
    .show(10, truncate=False)
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## XGBoost learns the similarity
# MAGIC The target is a formula of the six inputs: a low RMSE shows that trees can approximate it, not that
# MAGIC listeners would agree with it.

# COMMAND ----------

regressor = lake.read(MODELS).where("kind = 'regressor'").orderBy(F.desc("trained_at")).head()
scores = lake.read(EVALUATIONS).where(F.col("evaluation_id").startswith(regressor["model_id"]))
scores.groupBy("system").pivot("metric", ["rmse", "mae", "r2"]).agg(F.first("value")).orderBy("rmse").show(
    truncate=False
)

# COMMAND ----------

plots.importance(json.loads(regressor["metrics"])["importance"])

# COMMAND ----------

# MAGIC %md
# MAGIC ## How good and how stable is each clustering?
# MAGIC Silhouette and stability are close to 1 for well-separated clusters.

# COMMAND ----------

models = lake.read(CLUSTER_MODELS)
models.select("cluster_model_id", "k", "inertia", "silhouette", "stability").show(truncate=False)
words = "array<struct<cluster: int, tracks: bigint, words: string>>"
models.select("cluster_model_id", F.explode(F.from_json("description", words)).alias("d")).select(
    "cluster_model_id", "d.*"
).show(truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Are the clusters nothing but key bands?
# MAGIC One row a cluster: the keys that occur in it. Encoding `raw` is the write-up's.

# COMMAND ----------

clusters = lake.read(TRACK_CLUSTERS).where("method = 'nearest_center'")
(
    clusters.join(tracks.select("track_id", "key"), "track_id")
    .groupBy("cluster_model_id", "cluster")
    .agg(F.count("*").alias("tracks"), F.sort_array(F.collect_set("key")).alias("keys"))
    .orderBy("cluster_model_id", "cluster")
    .show(truncate=False)
)

# COMMAND ----------

# MAGIC %md
# MAGIC The same as a map: left the plane of largest variance, right the keys of each cluster.

# COMMAND ----------

maps = {}
for model in models.orderBy("cluster_model_id").collect():
    mine = F.col("cluster_model_id") == model["cluster_model_id"]
    vectors = features.where(F.col("encoding") == model["encoding"])
    clustered = vectors.join(clusters.where(mine).select("track_id", "cluster"), "track_id")
    maps[model["cluster_model_id"]] = kmeans_table.map_sample(clustered, clustered.count(), seed=123)
plots.cluster_map(maps)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What do the clusters mean?
# MAGIC `key_purity` (`told_by_key` in older tables): share of tracks whose cluster follows from the key alone
# MAGIC (1 = bands of keys). `same_title`: how often two songs of one title by different artists, many of them
# MAGIC covers, share a cluster; beside it how often any two songs do.

# COMMAND ----------

quality = lake.read(EVALUATIONS).where("setting = 'k-means'")
quality.select("system", "metric", "value", "low", "high", "n").orderBy("metric", "system").show(40, False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The classifier learns the clusters, batch by batch
# MAGIC After every fit: accuracy and F1 on the batch and on held-out tracks.

# COMMAND ----------

classifier = lake.read(MODELS).where("kind = 'classifier'").orderBy(F.desc("trained_at")).head()
fits = lake.read(CLASSIFIER_FITS).where(F.col("model_id") == classifier["model_id"])
fits.where("part = 'test'").orderBy(F.desc("fit")).select("fit", "accuracy", "precision", "recall", "f1").show(3)
plots.fits(fits.toPandas())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Does it overfit?
# MAGIC Train and test agree, for held-out artists too, and with random labels the classifier memorises
# MAGIC nothing. The labels are the nearest of k centres, a function of the same features, so its accuracy
# MAGIC says nothing about music beyond what k-means put in.

# COMMAND ----------

checks = lake.read(EVALUATIONS).where(F.col("evaluation_id") == classifier["model_id"] + "/overfitting")
checks.select("metric", "value", "n").orderBy("metric").show(30, truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## New songs
# MAGIC `assign_clusters` classifies tracks that were added after the clustering; `agrees` is whether the
# MAGIC nearest centre is the same.

# COMMAND ----------

new = lake.read(TRACK_CLUSTERS).where("method = 'classifier'")
new.groupBy("cluster_model_id", "cluster").agg(
    F.count("*").alias("tracks"), F.mean(F.col("agrees").cast("double")).alias("agree")
).show(truncate=False)
