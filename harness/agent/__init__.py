"""The harness's end of a guest agent's control channel."""
