"""Where runs are followed beside the store: TensorBoard, Weights & Biases, MLflow, or a tracker of the user's own."""
