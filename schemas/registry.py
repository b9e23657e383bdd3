"""All tables, in the order in which a pipeline fills them."""

from __future__ import annotations

from covers.schemas.classifier_fits import CLASSIFIER_FITS
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.recordings import RECORDINGS
from covers.schemas.runs import RUNS
from covers.schemas.sequence_embeddings import SEQUENCE_EMBEDDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.table import Table
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.track_similarity import TRACK_SIMILARITY
from covers.schemas.tracks import TRACKS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS

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
    SEQUENCE_EMBEDDINGS,
    EVALUATIONS,
    QUARANTINE,
    RUNS,
)
