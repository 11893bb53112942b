"""The result store: layout, schemas, files and URLs, claims, upkeep. No torch, no Ray."""
