"""What the platform remembers: steps, histories, the catalog, popularity and models."""
