"""The store as frames and as SQL in a cage."""
