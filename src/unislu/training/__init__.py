"""Training: recipe → examples → batches → dynamic loss → checkpoints → bundle. Needs `unislu[train]`."""
