"""What `pagecast bench` measures: each figure beside another one of the same run."""
