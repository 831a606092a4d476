"""Layers in the conventions of PyTorch, Keras and Flax, over the same functions; each module is imported on demand."""
