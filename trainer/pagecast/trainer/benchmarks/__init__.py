"""What `pagecast bench model` measures. Nothing that trains or serves imports it."""
