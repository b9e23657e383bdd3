# Databricks notebook source
# MAGIC %md
# MAGIC # Triplets, trainings, evaluations
# MAGIC Reads the lake that the jobs wrote (`COVERS_LAKE`, or `demo/lake` after `make demo`).

# COMMAND ----------

import json
import os

from pyspark.sql import functions as F

from covers.io.lake import Lake
from covers.io.spark import spark_session
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.runs import RUNS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS

lake = Lake(spark_session("covers"), os.environ.get("COVERS_LAKE", "demo/lake"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## The triplets of every strategy

# COMMAND ----------

lake.read(TRIPLETS).groupBy("strategy", "kind", "split").count().orderBy("strategy", "kind").show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## How each training went

# COMMAND ----------

epochs = lake.read(TRAINING_EPOCHS)
epochs.groupBy("model_id").agg(
    F.max("epoch").alias("epochs"),
    F.min_by("loss", "epoch").alias("first loss"),
    F.max_by("loss", "epoch").alias("last loss"),
    F.max_by("validation_nn_accuracy", "epoch").alias("validation"),
).show(truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Every system, with its 95% interval

# COMMAND ----------

metrics = lake.read(EVALUATIONS).where("metric = 'map'")
metrics.select("data_set", "system", "value", "low", "high").orderBy(F.desc("value")).show(
    30, truncate=False
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What the last evaluation was made from
# MAGIC The version of every table that was read: `SELECT * FROM t VERSION AS OF n` restores it.

# COMMAND ----------

last = lake.read(RUNS).where("job = 'evaluate_covers'").orderBy(F.desc("finished_at")).head()
inputs = json.loads(last["inputs"])
inputs
