"""The front: Flask for requests and replies, and the hook that reads a client's socket under gunicorn."""
