"""What `pagecast bench` measures: each figure beside another of the same run."""
