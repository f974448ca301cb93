"""One upload to one service: the body that is sent, the connection, the answer."""
