"""All tables, in the order in which a pipeline fills them."""

from __future__ import annotations

from schemas.classifier_fits import CLASSIFIER_FITS
from schemas.cluster_models import CLUSTER_MODELS
from schemas.embeddings import EMBEDDINGS
from schemas.evaluations import EVALUATIONS
from schemas.models import MODELS
from schemas.quarantine import QUARANTINE
from schemas.recordings import RECORDINGS
from schemas.runs import RUNS
from schemas.spectrograms import SPECTROGRAMS
from schemas.table import Table
from schemas.track_clusters import TRACK_CLUSTERS
from schemas.track_features import TRACK_FEATURES
from schemas.track_similarity import TRACK_SIMILARITY
from schemas.tracks import TRACKS
from schemas.training_epochs import TRAINING_EPOCHS
from schemas.triplets import TRIPLETS

TABLES: tuple[Table, ...] = (
    TRACKS,
    TRACK_FEATURES,
    CLUSTER_MODELS,
    TRACK_CLUSTERS,
    TRACK_SIMILARITY,
    CLASSIFIER_FITS,
    RECORDINGS,
    SPECTROGRAMS,
    TRIPLETS,
    MODELS,
    TRAINING_EPOCHS,
    EMBEDDINGS,
    EVALUATIONS,
    QUARANTINE,
    RUNS,
)
