"""Source of K views of P images: data sets, views on the device, encoders, probes."""
