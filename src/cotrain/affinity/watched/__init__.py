"""What TAG, cosine similarity and training dynamics see of a training."""
