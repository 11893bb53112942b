"""The store as data frames and as sandboxed SQL."""
