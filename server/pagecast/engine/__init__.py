"""Decodes a bundle into pages; knows neither gRPC nor torch.

To follow a page, read in this order: `slots` (its place), `walk` (the grammar asks, events come
out) and `page` (the model answers), then what these use: `decoder` and `kv_cache` (runs of the
graphs), `choice` (the head), `page_events`, and `popular` (the page without a model).

To follow a bundle: `manifest`, `bundle` with `bundle_files`, `bundle_checks` and `graph`, then
`model` and `embeddings`, which bind it to a catalog.
"""
