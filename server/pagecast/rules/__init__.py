"""Grammar, predicates, masks: what may stand where on a page.

To follow a page, read in this order: `facts` (what a request brings), `compiled_catalog` (what
follows from a catalog snapshot alone, by `predicates`, as `bitsets`), `eligibility`, `asked_rows`,
`kind_groups` and `sources` (what follows from both), `page_rules` (all of it together) and
`page_state` (the grammar, step by step, and the `entity_mask` of each).
"""
