"""Trainable models: a backbone, an extended vocabulary, and a forward pass that returns the loss."""
