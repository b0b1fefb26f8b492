"""What `pagecast experiments` does; the commands' own file is their options."""
