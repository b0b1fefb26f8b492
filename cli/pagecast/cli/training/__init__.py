"""What `pagecast train` does; the command's own file is its options."""
