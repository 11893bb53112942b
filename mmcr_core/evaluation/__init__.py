"""What is measured of a network: probes, embedding metrics, retrieval, zero-shot accuracy, with their intervals."""
