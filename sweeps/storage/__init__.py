"""The result store: layout, schemas, files and URLs, leases, upkeep. No torch, no Ray."""
