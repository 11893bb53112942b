"""Claims by topic: each module holds, of each of its claims, everything, and lists them in CLAIMS."""
