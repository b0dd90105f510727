"""Training: recipe → examples → batches → dynamic loss → checkpoints → bundle. Needs the extra `train`."""
