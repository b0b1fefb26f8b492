"""What a contender says of logged pages of members whom no contender learned from."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pagecast.cli.bench.align.workshop import REWARD, Workshop
from pagecast.featurestore.history.summary import NOTHING
from pagecast.featurestore.prompt.context import NOTHING_INJECTED, ContextConfig
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.members import learned_from
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.benchmarks.logged_values import logged_values
from pagecast.trainer.job import Trained
from pagecast.trainer.pages.shown import ShownPage


def said_of_log(shop: Workshop, trained: Trained) -> Figures:
    """Judges the log's pages, which the pretrained model made, of the half not learned from."""
    salt = AlignConfig().reward.salt
    pages = [page for page in shop.log.pages if not learned_from(page.user_id, salt)]
    users = sorted({page.user_id for page in pages})
    policy = Policy(model=trained.model, vocabulary=trained.vocabulary, catalog=shop.log.catalog)
    return logged_values(policy, list(_told(pages, trained.config.context)), users, REWARD)


def _told(pages: Sequence[ShownPage], context: ContextConfig) -> Iterator[ShownPage]:
    """The pages, without the context that the model lacks."""
    for page in pages:
        prompt = page.prompt
        if not context.summaries_max:
            prompt = replace(prompt, summary=NOTHING)
        if not (context.new_max or context.live_max):
            prompt = replace(prompt, injected=NOTHING_INJECTED)
        yield replace(page, prompt=prompt)
