"""Decodes pages with a bundle; knows neither gRPC nor torch.

To follow a page, read in this order: `walk` (the grammar asks, events come out) and `page` (the
model answers; here a page is also decoded alone), then how many are decoded together, in
`batching`: `page_job` (one of them, with `prompt_tokens`, `standing_tokens` and `prefix_cache`),
`decode_loop` (the thread), `page_batch` (a turn of it), `slot_decoder` and `kv_slots` (runs of the
graph). Besides these: `choice` (the head), `picking` (the best token, or one that is drawn),
`following` (a recorded page again), `page_events`, and `popular` (the page without a model).

To follow a bundle, in `bundles`: `manifest`, `bundle` with `files` and `checks`, then `graph`,
`model` and `vectors.embeddings`, which bind it to a catalog.
"""
