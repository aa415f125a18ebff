"""What is known of an image's axes. Pure."""
