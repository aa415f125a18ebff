"""From source to target in bounded memory, resumable, on threads or on a cluster."""
