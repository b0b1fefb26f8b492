"""What pages are worth becomes what the model prefers: reward models, then reinforcement learning.

In the order of a run: `asks` (requests of logged pages, and what is allowed there), `members` (who
is learned from, who judges, and how much one of them may weigh), `page_reward` and `preference`
(the two reward models) with `reward_report` (how far they can be trusted), `policy` and `rollouts`
(the engine draws pages of the model as it is now), `likelihood` (torch says the same of them),
`credit` (pure mathematics: rewards become advantages), `rewards` (what pages are worth),
`objective` (their loss), `rounds` and `run` (the loop), `learned` (rewards that come from reward
models), `on_pages` (all of it, on logged pages), `job` (from the feature store to a registered
model). `docs/alignment.md` tells what is chosen and why.
"""
